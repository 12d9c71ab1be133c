package foreign

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/project/tag"
	"github.com/odpm/odpm/shared/odooconf"
	"github.com/odpm/odpm/shared/regular"
	"github.com/odpm/odpm/shared/shell"
)

// port reads what of PostgreSQL is published on the host.
func (f *File) port(s types.ServiceConfig) {
	p := f.Postgres
	way := "odpm's own compose file publishes POSTGRES_PORT on POSTGRES_BIND (127.0.0.1:5432 unless set)"
	for _, port := range s.Ports {
		if int(port.Target) != p.ContainerPort || port.Protocol != "" && port.Protocol != "tcp" {
			continue
		}
		n, err := strconv.Atoi(port.Published)
		if err != nil || n == 0 {
			f.problem(Problem{Code: "random_port", Message: fmt.Sprintf("service %s publishes a random port or a range of ports (%q)", s.Name, port.Published), Way: way})
			return
		}
		p.Port, p.Bind = n, firstOf(port.HostIP, "0.0.0.0")
		if ip := net.ParseIP(p.Bind); ip != nil && ip.IsUnspecified() {
			f.problem(Problem{Code: "open_port", Message: fmt.Sprintf("service %s publishes PostgreSQL on every interface of this machine (port %d), which bypasses most firewalls", s.Name, n),
				Way: "if nobody connects from elsewhere: POSTGRES_BIND=127.0.0.1 in .env"})
		}
		return
	}
	if s.NetworkMode == "host" {
		p.Port, p.Bind = p.ContainerPort, "0.0.0.0"
		return
	}
	f.problem(Problem{Code: "no_port", Message: fmt.Sprintf("service %s publishes no port", s.Name), Way: way})
}

// login is what an Odoo container knows of its database.
type login struct {
	host, user, password string
	port                 int
}

// readLogin follows the official image (HOST, USER, PASSWORD, and their older
// names of linked containers), doodba (PGHOST…, DB_…), bitnami and the command
// line, which wins. The image may have it, as may the Dockerfile of one that is built.
func (f *File) readLogin(s types.ServiceConfig) login {
	said := s.Environment
	s.Environment = types.MappingWithEquals{}
	if s.Name == f.OdooService() {
		for key, value := range f.odooEnv {
			s.Environment[key] = &value
		}
	}
	for key, value := range readBuild(s.Build).env {
		s.Environment[key] = &value
	}
	maps.Copy(s.Environment, said)
	l := login{
		host:     firstOf(env(s, "HOST"), env(s, "PGHOST"), env(s, "DB_HOST"), env(s, "ODOO_DATABASE_HOST"), env(s, "POSTGRES_HOST"), env(s, "DB_PORT_5432_TCP_ADDR")),
		user:     firstOf(env(s, "USER"), env(s, "PGUSER"), env(s, "DB_USER"), env(s, "ODOO_DATABASE_USER"), env(s, "DB_ENV_POSTGRES_USER"), env(s, "POSTGRES_USER")),
		password: firstOf(env(s, "PASSWORD"), env(s, "PGPASSWORD"), env(s, "DB_PASSWORD"), env(s, "DB_PASS"), env(s, "ODOO_DATABASE_PASSWORD"), env(s, "DB_ENV_POSTGRES_PASSWORD"), env(s, "POSTGRES_PASSWORD")),
	}
	if file := env(s, "PASSWORD_FILE"); l.password == "" && file != "" {
		l.password = f.secretFile(s, file)
	}
	l.port, _ = strconv.Atoi(firstOf(env(s, "PORT"), env(s, "PGPORT"), env(s, "DB_PORT"), env(s, "DB_PORT_5432_TCP_PORT")))
	all, own := oneLine(slices.Concat([]string(s.Entrypoint), []string(s.Command))), odooOptions(s)
	expanded := func(v string) string { return v }
	if odooWord(all) < 0 && len(own) > 0 && slices.Contains(all, "-c") {
		expanded = func(v string) string { return ofShell(v, s.Environment) }
	}
	for _, o := range []struct {
		to          *string
		long, short string
	}{{&l.host, "--db_host", ""}, {&l.user, "--db_user", "-r"}, {&l.password, "--db_password", "-w"}} {
		option := firstOf(optionOf(own, o.long), optionOf(own, o.short), optionOf(all, o.long))
		*o.to = firstOf(expanded(option), *o.to)
		if o.to == &l.password && option != "" {
			l.password = expanded(option) // that of a variable is not what Odoo uses
		}
	}
	if n, err := strconv.Atoi(expanded(firstOf(optionOf(own, "--db_port"), optionOf(all, "--db_port")))); err == nil {
		l.port = n
	}
	return l
}

// ofShell is a word of a shell's line with the variables that the service has, as far as
// Compose writes variables the same way; "" where a shell alone knows what it becomes.
func ofShell(word string, env types.MappingWithEquals) string {
	if strings.Contains(word, "`") || strings.HasSuffix(word, "$") {
		return "" // what a command prints: $( has been taken apart
	}
	known := true
	text, err := template.SubstituteWithOptions(word, func(name string) (string, bool) {
		if value := env[name]; value != nil {
			return *value, true
		}
		known = false
		return "", false
	}, template.WithoutLogging)
	if err != nil || !known && !strings.Contains(word, ":-") {
		return ""
	}
	return text
}

func (f *File) describeOdoo(s types.ServiceConfig) {
	o := f.Odoo
	l := f.readLogin(s)
	*o = Odoo{Service: s.Name, Image: s.Image, User: s.User, Mounts: s.Volumes, Host: l.host, DBPort: l.port, Role: l.user, Password: l.password}
	_, t := tag.Split(s.Image)
	o.Version = odooVersion(t)
	if s.Build != nil {
		if v := s.Build.Args["ODOO_VERSION"]; v != nil {
			o.Version = firstOf(odooVersion(*v), o.Version)
		}
		o.Version = firstOf(readBuild(s.Build).odooVersion(), o.Version)
		f.buildsImage(s, "ODOO_IMAGE")
	}
	o.Version = firstOf(o.Version, odooVersion(env(s, "ODOO_VERSION")))
	var hidden bool
	o.ConfPath, o.ConfTarget, hidden = f.conf(s)
	if text, at := f.confText(s); o.ConfPath == "" && text != "" {
		o.ConfText, o.ConfTarget, hidden = text, at, true
	}
	http, gevent := f.odooPorts(s)
	for _, p := range s.Ports {
		n, _ := strconv.Atoi(p.Published)
		switch {
		case p.Target == http && o.HTTPPort == 0:
			o.HTTPPort, o.HTTPBind = n, p.HostIP
		case p.Target == gevent && o.GeventPort == 0:
			o.GeventPort = n
		}
	}
	if s.NetworkMode == "host" {
		// It publishes nothing, and is reached where it listens.
		o.HTTPPort, o.GeventPort, o.HTTPBind = int(http), int(gevent), f.odooInterface(s)
		if ip := net.ParseIP(o.HTTPBind); ip != nil && ip.IsLoopback() {
			f.problem(Problem{Code: "odoo_interface", Message: fmt.Sprintf("service %s has Odoo listen on %s alone, where nobody reaches it in a container with a network of its own", s.Name, o.HTTPBind),
				Way: "in odpm's own file ODOO_BIND says for whom the port is published: take http_interface out of odoo.conf, or --http-interface out of the command"})
		}
	} else if !slices.ContainsFunc(s.Ports, func(p types.ServicePortConfig) bool { return p.Target == http }) {
		f.problem(Problem{Code: "odoo_port", Message: fmt.Sprintf("service %s publishes no port of Odoo's", s.Name),
			Way: fmt.Sprintf("odpm's own compose file publishes ODOO_PORT on ODOO_BIND (127.0.0.1:%d unless set)", compose.OdooHTTPPort)})
	}
	f.odooData(s, hidden)
	f.clear(s, "PASSWORD", "PGPASSWORD", "DB_PASSWORD", "DB_PASS", "ODOO_DATABASE_PASSWORD")
	f.profiles(s)
}

// odooConf is the odoo.conf that Odoo reads, as far as the file says it; empty without.
func (f *File) odooConf() (*odooconf.File, error) {
	if f.Odoo.ConfPath != "" {
		return odooconf.Load(f.Odoo.ConfPath)
	}
	return odooconf.Parse([]byte(f.Odoo.ConfText))
}

// odooInterface is the address that Odoo listens on, "" for every one.
func (f *File) odooInterface(s types.ServiceConfig) string {
	at := BindsTo(s)
	conf, err := f.odooConf()
	for _, key := range []string{"http_interface", "xmlrpc_interface"} {
		if at == "" && err == nil {
			at, _ = conf.Value(key, 0)
		}
	}
	if ip := net.ParseIP(at); ip == nil || ip.IsUnspecified() {
		return ""
	}
	return at
}

// odooPorts are where its options, or odoo.conf, have Odoo listen in the container.
func (f *File) odooPorts(s types.ServiceConfig) (http, gevent uint32) {
	http, gevent = compose.OdooHTTPPort, compose.OdooGeventPort
	defer func() {
		h, g := ListensOn(s)
		http, gevent = cmp.Or(uint32(h), http), cmp.Or(uint32(g), gevent)
	}()
	conf, err := f.odooConf()
	if err != nil {
		return http, gevent
	}
	for _, o := range []struct {
		to   *uint32
		keys []string
	}{{&http, []string{"http_port", "xmlrpc_port"}}, {&gevent, []string{"gevent_port", "longpolling_port"}}} {
		for _, key := range o.keys {
			if n, ok, err := conf.Int(key, 0); ok && err == nil && n > 0 && n < 65536 {
				*o.to = uint32(n)
				break
			}
		}
	}
	return http, gevent
}

// buildsImage: odpm's own file names an image, and builds none but its own. One that the
// file gives no name has compose's.
func (f *File) buildsImage(s types.ServiceConfig, key string) {
	if s.Image != "" {
		f.problem(Problem{Code: "build", Message: fmt.Sprintf("service %s builds its image, %s; odpm uses the image by its name", s.Name, s.Image),
			Way: fmt.Sprintf("to build it again later: docker compose -f %s build %s", shell.Quote(f.Files[0]), s.Name)})
		return
	}
	f.problem(Problem{Code: "build", Message: fmt.Sprintf("service %s builds its image; docker compose calls it %s", s.Name, f.imageOf(s)),
		Way: fmt.Sprintf("%s=%s in .env, once it is built: docker compose -f %s build %s", key, f.imageOf(s), shell.Quote(f.Files[0]), s.Name)})
}

// secretFile reads the host's file behind a path like /run/secrets/db. What
// cannot be read stays unknown.
func (f *File) secretFile(s types.ServiceConfig, inside string) string {
	host := ""
	for _, ref := range s.Secrets {
		target := firstOf(ref.Target, ref.Source)
		if !strings.HasPrefix(target, "/") {
			target = "/run/secrets/" + target
		}
		if target == inside {
			def := f.Doc.Secrets[ref.Source]
			if v := firstOf(def.Content, f.Doc.Environment[def.Environment]); v != "" {
				return strings.TrimRight(v, "\r\n")
			}
			host = def.File
		}
	}
	for _, v := range s.Volumes {
		if v.Type == types.VolumeTypeBind && v.Target == inside {
			host = v.Source
		}
	}
	data, err := regular.Read(host, 4096)
	if err != nil {
		return ""
	}
	return strings.TrimRight(string(data), "\r\n")
}

// clear tells of a password that stands in the file itself. One that comes
// from ${VARIABLE} or env_file does not.
func (f *File) clear(s types.ServiceConfig, keys ...string) {
	services, _ := f.raw["services"].(map[string]any)
	def, _ := services[s.Name].(map[string]any)
	values := map[string]string{}
	switch e := def["environment"].(type) {
	case map[string]any:
		for k, v := range e {
			if v != nil {
				values[k] = fmt.Sprint(v)
			}
		}
	case []any:
		for _, item := range e {
			if k, v, ok := strings.Cut(fmt.Sprint(item), "="); ok {
				values[k] = v
			}
		}
	}
	if o := f.Odoo; o != nil && s.Name == o.Service {
		written := writtenPassword(s, def)
		if written != "" && strings.ReplaceAll(written, "$$", "$") == o.Password {
			keys, values["--db_password"] = append([]string{"--db_password"}, keys...), written
		}
	}
	for _, k := range keys {
		if inClear(values[k]) {
			f.problem(Problem{Code: "password_in_clear", Message: fmt.Sprintf("%s of service %s is in clear text in %s", k, s.Name, filepath.Base(f.Files[0])),
				Way: "odpm keeps it in .env (mode 0600) or odoo.conf; keep both out of a repository. If the file is in one, the password is known: change it with odpm database ensure-role"})
			return
		}
	}
}

// writtenPassword is --db_password or -w as the file writes it among Odoo's options,
// "" where it has none. A variable is its name there.
func writtenPassword(s types.ServiceConfig, def map[string]any) string {
	for key, words := range map[string]*types.ShellCommand{"entrypoint": &s.Entrypoint, "command": &s.Command} {
		if as, ok := def[key]; ok && as != nil && words.DecodeMapstructure(as) != nil {
			return ""
		}
	}
	return optionOf(odooOptions(s), "--db_password", "-w")
}

// inClear: a password stands in the file itself, and is not a variable's value.
func inClear(value string) bool {
	return value != "" && !strings.Contains(strings.ReplaceAll(value, "$$", ""), "$")
}

// started: docker compose up starts the service.
func (f *File) started(s types.ServiceConfig) bool { return started(f.Doc, s) }

func started(doc *types.Project, s types.ServiceConfig) bool {
	return len(s.Profiles) == 0 || slices.ContainsFunc(s.Profiles, func(name string) bool { return enabled(doc, name) })
}

func (f *File) profiles(s types.ServiceConfig) {
	if !f.started(s) {
		f.problem(Problem{Code: "profile", Message: fmt.Sprintf("service %s belongs to the profile %s and is not started without it", s.Name, strings.Join(s.Profiles, ", ")),
			Way: "odpm's own compose file has no profiles; under ODPM_COMPOSE=keep set COMPOSE_PROFILES=" + s.Profiles[0] + " in .env"})
	}
}

func enabled(doc *types.Project, profile string) bool {
	for _, p := range strings.Split(doc.Environment["COMPOSE_PROFILES"], ",") {
		if p = strings.TrimSpace(p); p == profile || p == "*" {
			return true
		}
	}
	return false
}
