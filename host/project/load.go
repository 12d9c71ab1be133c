package project

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/mattn/go-shellwords"

	"github.com/odpm/odpm/host/project/tag"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/shared/regular"
	"github.com/odpm/odpm/shared/shell"
	"github.com/odpm/odpm/shared/snapshot"
)

// serviceName is compose's own rule for a service key.
var serviceName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]*$`)

// prefixRule is what ODPM_COMPOSE_PREFIX may be once lower-cased and without
// a dash at its end.
var prefixRule = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// Load reads the project in dir. environ is the process environment, home the
// person's home directory. Bad values are told together.
func Load(dir string, environ []string, home string) (*Project, error) {
	return LoadWith(dir, environ, home, nil)
}

// Files stand for files of a project directory by their names, before they are
// written there.
type Files map[string][]byte

// read gives what replaces a file, else the file itself.
func (f Files) read(path string) ([]byte, error) {
	if data, ok := f[filepath.Base(path)]; ok {
		return data, nil
	}
	return regular.Read(path, maxFile)
}

// LoadWith is Load with proposed files in the place of those of these names:
// .env, odpm.json and odoo.conf.
func LoadWith(dir string, environ []string, home string, files Files) (*Project, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return nil, fmt.Errorf("the project directory cannot be opened: %w", noDirectory(abs, err))
	}
	if info, err := os.Stat(real); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s is not a directory; -C takes the project's directory", real)
	}
	var errs Errors
	env, err := readLayers(real, home, environ, files, &errs)
	if err != nil {
		return nil, err
	}
	m, err := readManifest(real, files, &errs)
	if err != nil {
		return nil, err
	}
	p := &Project{Dir: real, Env: env.values, Services: m.services}
	l := &loader{p: p, env: env, m: m, home: home, files: files, errs: &errs}
	p.Warnings = append(p.Warnings, m.misspelt...)
	for _, read := range []func() error{l.misspelt, l.names, l.versions, l.settings, l.paths, l.odooConf, l.role, l.userSettings} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	if len(errs) > 0 {
		// A key that is missing may be there under a name that is nearly it.
		for _, w := range p.Warnings {
			if strings.Contains(w, "did you mean") {
				errs = append(errs, errors.New(w))
			}
		}
		return nil, errs
	}
	return p, nil
}

type loader struct {
	p    *Project
	env  *layers
	m    *manifest
	home string
	// files are proposed and not yet written.
	files Files
	errs  *Errors
}

// subdirectory is what may stand behind a volume's name. The official image's
// entrypoint and docker's --mount take such a path as it stands.
var subdirectory = regexp.MustCompile(`^[a-zA-Z0-9._/-]+$`)

// names follow product.md: with a prefix everything is named after it, and
// POSTGRES_SERVICE_NAME is ignored with a warning; without one compose's own
// default names the project.
func (l *loader) names() error {
	p := l.p
	service := l.env.or("POSTGRES_SERVICE_NAME", "db")
	if !serviceName.MatchString(service) {
		l.env.bad("POSTGRES_SERVICE_NAME", "allowed: letters, digits, . _ -, starting with a letter or digit (compose's rule for a service)", "")
	}
	p.PlainName = normalize(l.env.or("COMPOSE_PROJECT_NAME", filepath.Base(p.Dir)))
	if raw, ok := l.env.get("ODPM_COMPOSE_PREFIX"); ok {
		prefix := strings.TrimSuffix(strings.ToLower(raw), "-")
		if !prefixRule.MatchString(prefix) {
			l.env.bad("ODPM_COMPOSE_PREFIX", "allowed: a letter, then letters, digits and dashes ([a-z][a-z0-9-]*)",
				"A wrong name would put two stacks on one volume, so odpm does not guess.")
			return nil
		}
		p.Prefix, p.Name = prefix, prefix
		p.ServiceName, p.OdooServiceName, p.VolumeName = prefix+"-db", prefix+"-odoo", prefix+"-postgres-data"
		for key, name := range map[string]string{"POSTGRES_SERVICE_NAME": p.ServiceName, "ODOO_SERVICE_NAME": p.OdooServiceName} {
			if v, ok := l.env.get(key); ok && v != name {
				p.Warnings = append(p.Warnings, fmt.Sprintf("%s: %s=%s is ignored, because ODPM_COMPOSE_PREFIX names the service %s", l.env.at(key), key, v, name))
			}
		}
		slices.Sort(p.Warnings)
		return nil
	}
	odoo := l.env.or("ODOO_SERVICE_NAME", "odoo")
	if !serviceName.MatchString(odoo) {
		l.env.bad("ODOO_SERVICE_NAME", "allowed: letters, digits, . _ -, starting with a letter or digit (compose's rule for a service)", "")
	}
	p.ServiceName, p.OdooServiceName, p.VolumeName = service, odoo, "postgres-data"
	if service == odoo {
		l.env.bad("POSTGRES_SERVICE_NAME", fmt.Sprintf("allowed: any name but %q, which is Odoo's own service", odoo), "")
	}
	p.Name = p.PlainName
	if p.Name == "" {
		return &ConfigError{File: ".env", Key: "ODPM_COMPOSE_PREFIX", Allowed: "compose cannot make a project name from the directory's name; set a prefix"}
	}
	return nil
}

// normalize is compose's own rule for a default project name: lower case,
// only [a-z0-9_-], no leading dash or underscore.
func normalize(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			b.WriteRune(r)
		}
	}
	return strings.TrimLeft(b.String(), "_-")
}

func (l *loader) versions() error {
	p := l.p
	p.PlatformName = first(l.m.platform, "odoo")
	p.External = l.env.word("ODPM_POSTGRES", "compose", "compose", "external") == "external"
	p.PostgresVersion, p.ConfOptions = l.m.postgres, l.m.confOptions
	p.Warnings = append(p.Warnings, l.m.warnings...)
	if p.PostgresVersion == "" && l.m.found && !p.External && !l.m.postgresBad {
		var why string
		if p.PostgresVersion, why = l.foundPostgres(); p.PostgresVersion != "" {
			p.Warnings = append(p.Warnings, fmt.Sprintf("odpm.json does not say postgres_version: odpm assumes %s, since %s. Write it there: \"postgres_version\": \"%s\"", p.PostgresVersion, why, p.PostgresVersion))
		}
	}
	if p.PostgresVersion == "" && !p.External && !l.m.postgresBad {
		e := &ConfigError{File: "odpm.json", Key: "postgres_version", Allowed: "missing; it is the tag of the postgres image, for example \"15\"", Hint: `Add "postgres_version": "17", the version that the data was made with.`}
		if !l.m.found {
			e.File, e.Key, e.Allowed = p.Dir, "", "this directory has no odpm.json (it must contain postgres_version)"
			e.Hint = "For a project in another directory DIR: odpm -C DIR"
			var err error = e
			if name := l.composeFile(); name != "" {
				err = wording.WithNext(err, "To take over the stack of "+name, "odpm adopt "+name)
			}
			return wording.WithNext(err, "To write a first set of files here", "odpm init")
		}
		*l.errs = append(*l.errs, e)
	}
	p.PostgresMajor = tag.Major(p.PostgresVersion)
	p.PostgresImage = l.env.or("POSTGRES_IMAGE", first(l.m.image, "postgres:"+p.PostgresVersion))
	p.OdooVersion = l.m.odoo
	p.OdooImage, _ = l.env.get("ODOO_IMAGE")
	if p.OdooVersion == "" && p.OdooImage != "" {
		if _, t, ok := strings.Cut(p.OdooImage[strings.LastIndex(p.OdooImage, "/")+1:], ":"); ok && odooVersion.MatchString(t) {
			p.OdooVersion = t
		}
	}
	if p.OdooImage == "" {
		if p.OdooVersion == "" && !l.m.odooBad {
			*l.errs = append(*l.errs, &ConfigError{File: "odpm.json", Key: "odoo_version", Allowed: "missing; it names the image odoo:<odoo_version>", Hint: `Add "odoo_version": "18.0", or set ODOO_IMAGE in .env.`})
		}
		p.OdooImage = "odoo:" + p.OdooVersion
	}
	if g := odooVersion.FindStringSubmatch(p.OdooVersion); g != nil {
		p.OdooMajor, _ = strconv.Atoi(g[2])
	}
	return nil
}

// composeFile is the file here that docker compose reads by its name, "" without one.
func (l *loader) composeFile() string {
	for _, name := range cli.DefaultFileNames {
		if info, err := os.Stat(filepath.Join(l.p.Dir, name)); err == nil && info.Mode().IsRegular() {
			return name
		}
	}
	return ""
}

func (l *loader) settings() error {
	p := l.p
	p.Scenario = Scenario(l.env.word("ODPM_SCENARIO", string(Developer), string(Developer), string(Server), string(CI)))
	p.Runtime = Runtime(l.env.word("ODPM_RUNTIME", string(Auto), string(Auto), string(Docker), string(Native)))
	p.Network, _ = l.env.get("ODPM_COMPOSE_NETWORK")
	p.NetworkExternal = l.env.word("ODPM_COMPOSE_NETWORK_EXTERNAL", "false", "false", "true", "0", "1", "no", "yes") != "false"
	if v := strings.ToLower(l.env.or("ODPM_COMPOSE_NETWORK_EXTERNAL", "")); v == "0" || v == "no" {
		p.NetworkExternal = false
	}
	if p.Network != "" && !serviceName.MatchString(p.Network) {
		l.env.bad("ODPM_COMPOSE_NETWORK", "allowed: letters, digits, . _ -, as Docker names networks", "")
	}
	p.KeepCompose = l.env.word("ODPM_COMPOSE", "write", "write", "keep") == "keep"
	if _, set := l.env.get("ODPM_SELINUX"); set {
		p.SELinux = l.env.word("ODPM_SELINUX", "z", "z")
	}
	p.PostgresBind = l.env.ip("POSTGRES_BIND", "127.0.0.1")
	p.PostgresPort = l.env.port("POSTGRES_PORT", 5432)
	p.OdooPort = l.env.port("ODOO_PORT", 8069)
	p.GeventPort = l.env.port("GEVENT_PORT", 8072)
	l.odooCommand()
	l.imageMajor()
	ports := map[int]string{}
	for _, key := range []string{"POSTGRES_PORT", "ODOO_PORT", "GEVENT_PORT"} {
		n := map[string]int{"POSTGRES_PORT": p.PostgresPort, "ODOO_PORT": p.OdooPort, "GEVENT_PORT": p.GeventPort}[key]
		if other := ports[n]; other != "" {
			*l.errs = append(*l.errs, &ConfigError{File: ".env", Line: l.env.at(key).line, Key: key, Found: strconv.Itoa(n), Allowed: "the port is " + other + "'s already; each needs one of its own"})
		}
		ports[n] = key
	}
	return nil
}

// imageMajor refuses an image of another major than postgres_version: the data
// would be mounted, looked at and recorded for a server that never starts on
// them. With ODPM_COMPOSE=keep the compose file's image counts alone.
func (l *loader) imageMajor() {
	p := l.p
	major := tag.OfImage(p.PostgresImage)
	if p.KeepCompose || p.External || p.PostgresMajor == 0 || major == 0 || major == p.PostgresMajor {
		return
	}
	at, key := place{file: "odpm.json"}, "postgres.image"
	if _, ok := l.env.get("POSTGRES_IMAGE"); ok {
		at, key = l.env.at("POSTGRES_IMAGE"), "POSTGRES_IMAGE"
	}
	*l.errs = append(*l.errs, &ConfigError{File: at.file, Line: at.line, Key: key, Found: p.PostgresImage,
		Allowed: fmt.Sprintf("an image of PostgreSQL %d, but the version in odpm.json is %q: both must say the same major", major, p.PostgresVersion)})
}

// odooCommand splits ODOO_COMMAND as a shell does. It is not shown, it may hold
// a password.
func (l *loader) odooCommand() {
	line, ok := l.env.get("ODOO_COMMAND")
	if !ok {
		return
	}
	words := shellwords.NewParser()
	argv, err := words.Parse(line)
	at := l.env.at("ODOO_COMMAND")
	switch bad := (&ConfigError{File: at.file, Line: at.line, Key: "ODOO_COMMAND"}); {
	case err != nil || len(argv) == 0:
		bad.Allowed = "not a command line; allowed: a program and its arguments, each quote closed"
		*l.errs = append(*l.errs, bad)
	case words.Position >= 0:
		// The parser stops at a shell's operator, and what follows would be lost.
		bad.Allowed = "allowed: one program and its arguments; ; & | < > are a shell's, and odpm starts none: quote them, or put the line into a script"
		*l.errs = append(*l.errs, bad)
	default:
		l.p.OdooCommand = argv
	}
}

func (l *loader) paths() error {
	p := l.p
	p.OdooDataDir = path(l.env.or("ODOO_DATA_DIR", "data/odoo"), p.Dir, l.home)
	if info, err := os.Stat(filepath.Join(p.Dir, "addons")); err == nil && info.IsDir() {
		p.AddonsDir = filepath.Join(p.Dir, "addons")
	}
	p.BackupDir = path(l.env.or("BACKUP_DIR", "~/odoo_backups"), p.Dir, l.home)
	value, ok := l.env.get("POSTGRES_DATA_DIR")
	switch name, isVolume := strings.CutPrefix(value, "volume:"); {
	case isVolume:
		name, sub, below := strings.Cut(name, "/")
		if !serviceName.MatchString(name) || below && !(filepath.IsLocal(sub) && filepath.Clean(sub) == sub && sub != "." && subdirectory.MatchString(sub)) {
			l.env.bad("POSTGRES_DATA_DIR", "allowed: a path, volume:NAME for a volume that the Docker engine has, or volume:NAME/DIRECTORY for one that has the cluster in a directory", "")
		}
		p.DataVolume, p.DataSubdir = name, sub
	case ok:
		p.DataDir = path(value, p.Dir, l.home)
	default:
		p.DataDir = filepath.Join(p.Dir, "data", "postgresql", "var", "lib", "postgresql")
		if p.PostgresMajor < 18 {
			p.DataDir = filepath.Join(p.DataDir, "data")
		}
	}
	for _, s := range []string{p.DataDir, p.Dir} {
		if !snapshot.Printable(s) {
			return fmt.Errorf("the path %q holds a line break, a control character or bytes that are not UTF-8; compose cannot mount such a path, or last_run.json cannot hold it", s)
		}
	}
	if _, ok := l.env.get("ODOO_DATA_DIR"); ok {
		l.odooDataDir()
	}
	l.filestores()
	if p.External {
		return nil // the server's data is elsewhere
	}
	switch p.DataDir {
	case "":
		return nil
	case "/", filepath.Clean(l.home), p.Dir:
		l.env.bad("POSTGRES_DATA_DIR", "allowed: a directory of PostgreSQL's own, not this one", "")
		return nil
	}
	for _, other := range []string{p.OdooDataDir, filepath.Join(p.Dir, ".odpm"), p.BackupDir} {
		// The image's entrypoint gives everything below PGDATA to postgres.
		if within(other, p.DataDir) || within(p.DataDir, other) {
			l.env.bad("POSTGRES_DATA_DIR", "allowed: a directory of PostgreSQL's own, not one that holds, or lies in, "+other, "")
			return nil
		}
	}
	return nil
}

// odooDataDir refuses a directory that holds more than Odoo's data: its
// container can write everything there.
func (l *loader) odooDataDir() {
	p := l.p
	for _, whole := range []string{"/", filepath.Clean(l.home), p.Dir} {
		if within(whole, p.OdooDataDir) {
			l.env.bad("ODOO_DATA_DIR", "allowed: a directory of Odoo's data alone, not one that holds "+whole, "")
			return
		}
	}
	if odpm := filepath.Join(p.Dir, ".odpm"); within(p.OdooDataDir, odpm) || !snapshot.Printable(p.OdooDataDir) {
		l.env.bad("ODOO_DATA_DIR", "allowed: a directory of Odoo's data alone, outside of .odpm", "")
	}
}

// noDirectory says which part of a path is missing, where one is.
func noDirectory(path string, err error) error {
	if text := wording.NoSuchPath(path); text != "" {
		dir := shell.Quote(path)
		return wording.WithNext(errors.New(text), "For a new project there", "mkdir -p "+dir+" && odpm -C "+dir+" init")
	}
	return err
}

// Addons are the modules in a project's own addons directory.
func Addons(dir string) []string {
	var names []string
	manifests, _ := filepath.Glob(filepath.Join(dir, "addons", "*", "__manifest__.py"))
	for _, file := range manifests {
		names = append(names, filepath.Base(filepath.Dir(file)))
	}
	return names
}

// within tells whether path is dir or lies below it.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// fallbackSource stands for the place of a value that nobody has set.
const fallbackSource = "default"
