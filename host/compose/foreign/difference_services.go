package foreign

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/yamlnode"
	"github.com/odpm/odpm/shared/redact"
)

// officialOdoo: the image is the official one, whose variables say the login and
// nothing else.
func officialOdoo(image string) bool {
	name, _, _ := strings.Cut(image, "@")
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		name = name[:i]
	}
	name = strings.TrimPrefix(strings.TrimPrefix(name, "index."), "docker.io/")
	return strings.TrimPrefix(name, "library/") == "odoo"
}

// officialEntrypoint is the script that the official image runs.
const officialEntrypoint = "/entrypoint.sh"

// odooLogin are the variables of the official image's entrypoint, and those that
// links made of them.
var odooLogin = []string{"HOST", "PORT", "USER", "PASSWORD", "PASSWORD_FILE", "DB_PORT_5432_TCP_ADDR", "DB_PORT_5432_TCP_PORT",
	"DB_ENV_POSTGRES_USER", "DB_ENV_POSTGRES_PASSWORD", "ODOO_RC"}

// postgresFirst are read at a cluster's first initialisation alone, or are where
// the data and the port are.
var postgresFirst = []string{"POSTGRES_USER", "POSTGRES_USER_FILE", "POSTGRES_PASSWORD", "POSTGRES_PASSWORD_FILE", "POSTGRES_DB", "POSTGRES_DB_FILE",
	"POSTGRES_INITDB_ARGS", "POSTGRES_INITDB_ARGS_FILE", "POSTGRES_INITDB_WALDIR", "POSTGRES_HOST_AUTH_METHOD", "PGDATA", "PGPORT"}

// loginVariable: odpm says in its own way what the variable says. A script of the
// person's own may read it, and only there.
func (d *differ) loginVariable(s types.ServiceConfig, key string) bool {
	if d.isOdoo(s) {
		return key == "ODOO_RC" || officialOdoo(s.Image) && slices.Contains(odooLogin, key) && !d.ownScript(s)
	}
	return slices.Contains(postgresFirst, key)
}

func (d *differ) environment(s, o types.ServiceConfig, _, _ any) {
	n := &yaml.Node{Kind: yaml.MappingNode}
	var own, clear []string
	files := d.fromFiles(s)
	for key, v := range s.Environment {
		if have, ok := o.Environment[key]; d.loginVariable(s, key) || ok && (v == nil || have != nil && *have == *v) {
			if d.loginVariable(s, key) {
				own = append(own, key)
			}
			continue
		}
		if slices.Contains(files, key) && (d.inFile(s, o, key) || d.inEnv(s, key) && d.setting(key)) {
			continue // envFiles
		}
		yamlnode.Set(n, key, d.variable(s, key))
	}
	if len(own) > 0 {
		slices.Sort(own)
		how := "the login is in odoo.conf and .env"
		if !d.isOdoo(s) {
			how = "it applies to a new cluster only; .env says where the data and the port are"
		}
		d.otherwise(s.Name, "environment", strings.Join(own, ", ")+": "+how)
	}
	if len(n.Content) == 0 {
		return
	}
	sortKeys(n)
	for key, v := range yamlnode.Pairs(n) {
		d.out.setIn(d.own(s), "environment", key, v)
		if redact.IsKey(key) && inClear(v.Value) {
			clear = append(clear, key)
		}
	}
	if len(clear) > 0 {
		d.problem(Problem{Code: "password_in_override", Message: fmt.Sprintf("the override has %s of service %s in clear text too, as the file that is taken over does", strings.Join(clear, ", "), d.own(s)),
			Way: "keep it out of a repository, or write ${" + clear[0] + "} there and the value in .env"})
	}
	d.carried("services." + d.own(s) + ".environment")
}

func (d *differ) setting(key string) bool {
	return slices.Contains(d.Settings, key) || slices.Contains(d.Settings, strings.TrimPrefix(key, "ODPM_"))
}

// variable is a value as the file writes it. What .env sets as an env_file is
// written by its name, so that a secret stays in one place.
func (d *differ) variable(s types.ServiceConfig, key string) *yaml.Node {
	if list := d.written(s.Name, "environment"); list != nil {
		if list.Kind == yaml.MappingNode {
			if v := yamlnode.Get(list, key); v != nil {
				return v
			}
		}
		for _, item := range list.Content {
			if name, value, ok := strings.Cut(item.Value, "="); list.Kind == yaml.SequenceNode && name == key {
				if !ok {
					return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
				}
				return quoted(value)
			}
		}
	}
	v := s.Environment[key]
	if own, said := d.unresolved.Services[s.Name].Environment[key]; said && own == nil {
		v = nil // it comes from whoever starts compose, and from .env
	}
	if v != nil {
		text, _ := d.uninterpolatedVariable(s.Name, key)
		if text, ok := d.reference(text, *v); ok {
			return quoted(text)
		}
	}
	switch {
	case v == nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
	case d.p.Env[key] == *v && *v != "" && !slices.Contains(shells, key):
		return quoted("${" + key + "}")
	}
	d.writtenOut(s.Name, key)
	return quoted(strings.ReplaceAll(*v, "$", "$$"))
}

// postgresCommand keeps the server's options; odpm says last where it listens.
func (d *differ) postgresCommand(s, o types.ServiceConfig, _, _ any) {
	words := slices.Clone([]string(s.Command))
	if len(words) == 1 {
		words = strings.Fields(words[0])
	}
	if len(words) > 0 && path.Base(words[0]) == "docker-entrypoint.sh" {
		words = words[1:]
	}
	if len(words) > 0 && path.Base(words[0]) == "postgres" {
		words = words[1:]
	}
	if len(words) == 0 {
		return
	}
	if !strings.HasPrefix(words[0], "-") {
		d.problem(Problem{Code: "command", Message: "service " + s.Name + " runs a command other than postgres (" + strings.Join(s.Command, " ") + "); odpm's starts postgres",
			Way: "put the server's options into docker-compose.override.yml as command: [postgres, -c, NAME=VALUE, …], or keep using this file: ODPM_COMPOSE=keep in .env"})
		return
	}
	keep := []string{"postgres"}
	for i := 0; i < len(words); i++ {
		word, value := words[i], ""
		if i+1 < len(words) {
			value = words[i+1]
		}
		setting, _ := strings.CutPrefix(word, "-c")
		if word == "-c" || word == "-p" || word == "-D" {
			setting = value
			i++
		} else if long, ok := strings.CutPrefix(word, "--"); ok {
			setting = long
		}
		name, _, _ := strings.Cut(strings.ReplaceAll(setting, "-", "_"), "=")
		switch {
		case word == "-p" || word == "-i", name == "port", name == "listen_addresses":
			d.otherwise(s.Name, "command", "PostgreSQL listens on every address of the container at 5432; the published port is POSTGRES_PORT")
		case name == "config_file" && d.confDirectory(s, strings.TrimPrefix(setting, "config_file=")) != "":
			file := strings.TrimPrefix(setting, "config_file=")
			d.problem(Problem{Code: "command", Blocking: true, Message: fmt.Sprintf("%s of service %s names the data directory (data_directory = %s), which PostgreSQL would use instead of the place where odpm mounts the data", file, s.Name, d.confDirectory(s, file)),
				Way: "set PGDATA in the service's environment instead, or keep using this file: ODPM_COMPOSE=keep in .env"})
		case word == "-D", name == "data_directory":
			d.problem(Problem{Code: "command", Blocking: true, Message: "service " + s.Name + " names the data directory in its command (" + setting + ")",
				Way: "set PGDATA in the service's environment instead, or keep using this file: ODPM_COMPOSE=keep in .env"})
		case word == "-c" || word == "-p":
			keep = append(keep, word, d.rebased(value))
		default:
			keep = append(keep, d.rebased(word))
		}
	}
	if len(keep) == 1 {
		return
	}
	if keep = append(keep, compose.ServerCommand[1:]...); slices.Equal(keep, o.Command) {
		return
	}
	d.out.set(d.own(s), "command", d.words(s.Name, keep))
	d.carried("services." + d.own(s) + ".command")
}

// confDirectory is data_directory in a configuration file that is mounted, "" where
// it says none or the one that odpm mounts.
func (d *differ) confDirectory(s types.ServiceConfig, at string) string {
	m := dataDirectory.FindStringSubmatch(mountedFile(s, at))
	if m == nil || path.Clean(m[1]) == d.p.PGData() {
		return ""
	}
	return m[1]
}

var dataDirectory = regexp.MustCompile(`(?mi)^\s*data_directory\s*=?\s*'?([^'#\s]+)`)

// renameSecrets gives a service the file's own secret where odpm's document has
// another one under that name. The path in the container stays.
func (d *differ) renameSecrets(n *yaml.Node) {
	list := yamlnode.Get(n, "secrets")
	if list == nil {
		return
	}
	for _, item := range list.Content {
		source := yamlnode.Get(item, "source")
		switch {
		case item.Kind == yaml.ScalarNode && d.taken("secrets", item.Value):
			long := &yaml.Node{Kind: yaml.MappingNode}
			yamlnode.Set(long, "source", scalar(d.renamed("secrets", item.Value)))
			yamlnode.Set(long, "target", scalar(item.Value))
			*item = *long
		case source != nil && d.taken("secrets", source.Value):
			if yamlnode.Get(item, "target") == nil {
				yamlnode.Set(item, "target", scalar(source.Value))
			}
			source.Value = d.renamed("secrets", source.Value)
		}
	}
}

// others are carried over whole.
func (d *differ) others() error {
	for _, name := range d.Others {
		if _, ok := d.ours.Services[name]; ok {
			continue // an override, or odpm.json, has it
		}
		s := d.Doc.Services[name]
		n := d.source[name]
		moved := false
		for _, v := range s.Volumes {
			_, _, data := d.movedVolume(v.Source)
			moved = moved || v.Type == types.VolumeTypeVolume && (data || d.taken("volumes", v.Source))
		}
		switch {
		case n == nil:
			n = d.resolvedService(name)
			d.moveMounts(n)
			for _, key := range slices.Sorted(maps.Keys(s.Environment)) {
				if text, said := d.uninterpolatedVariable(name, key); said && s.Environment[key] != nil {
					if _, kept := d.reference(text, *s.Environment[key]); !kept {
						d.writtenOut(name, key)
					}
				}
			}
		case moved:
			// The rest stays as it is written: ${PASSWORD} is no place for its value.
			mounts := d.resolvedService(name)
			d.moveMounts(mounts)
			n = expand(n)
			yamlnode.Set(n, "volumes", yamlnode.Get(mounts, "volumes"))
		default:
			n = expand(n)
		}
		d.renameSecrets(n)
		d.out.service(name, n)
		d.carried("services." + name)
		for _, v := range s.Volumes {
			if _, rel, data := d.movedVolume(v.Source); v.Type == types.VolumeTypeVolume && v.Source != "" && (!data || rel != "") {
				d.refer("volumes", v.Source)
			}
		}
		for net := range s.Networks {
			d.refer("networks", net)
		}
		for _, x := range s.Secrets {
			d.refer("secrets", x.Source)
		}
		for _, x := range s.Configs {
			d.refer("configs", x.Source)
		}
	}
	return nil
}
