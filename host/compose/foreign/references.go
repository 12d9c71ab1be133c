package foreign

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/yamlnode"
	"github.com/odpm/odpm/shared/redact"
)

// What a file says by reference, ${PASSWORD} or env_file, is carried over as that
// reference: a value that were written out would be a second copy of a secret, in
// a file that people commit.

// uninterpolated is what the files say at a place in the document, before
// interpolation. nil where that is not known.
func (f *File) uninterpolated(path ...string) any {
	var at any = f.raw
	for _, key := range path {
		m, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = m[key]
	}
	return at
}

// uninterpolatedVariable is a variable of a service as the files say it.
func (f *File) uninterpolatedVariable(service, key string) (string, bool) {
	said := f.uninterpolated("services", service, "environment")
	if list, ok := said.([]any); ok {
		said = keyValues(list)
	}
	m, _ := said.(map[string]any)
	text, ok := m[key].(string)
	return text, ok
}

// reference is what the file says in the place of value, where it means the same
// in the new project.
func (d *differ) reference(said any, value string) (string, bool) {
	text, ok := said.(string)
	if !ok || !strings.Contains(text, "$") {
		return "", false
	}
	is, err := template.SubstituteWithOptions(text, func(key string) (string, bool) {
		v, ok := d.p.Env[key]
		return v, ok
	}, template.WithoutLogging)
	return text, err == nil && is == value
}

// references puts into a resolved part of the document what the files say there by
// reference, and makes every other value survive compose's interpolation.
func (d *differ) references(n *yaml.Node, said any) {
	switch n.Kind {
	case yaml.ScalarNode:
		if text, ok := d.reference(said, n.Value); ok {
			*n = *quoted(text)
			return
		}
		compose.Escape(n)
	case yaml.MappingNode:
		of, _ := said.(map[string]any)
		if list, ok := said.([]any); ok {
			of = keyValues(list)
		}
		for i := 1; i < len(n.Content); i += 2 {
			d.references(n.Content[i], of[n.Content[i-1].Value])
		}
	default:
		list, _ := said.([]any)
		if len(list) < len(n.Content) {
			list = make([]any, len(n.Content))
		}
		for i, c := range n.Content {
			d.references(c, list[i])
		}
	}
}

// keyValues reads a list of KEY=VALUE.
func keyValues(list []any) map[string]any {
	out := map[string]any{}
	for _, item := range list {
		if key, value, ok := strings.Cut(fmt.Sprint(item), "="); ok {
			out[key] = value
		}
	}
	return out
}

// words writes a command of a service; what it says by reference stays that.
func (d *differ) words(service string, words []string) *yaml.Node {
	n := words2node(words)
	var said []any
	for _, key := range []string{"entrypoint", "command"} {
		switch v := d.uninterpolated("services", service, key).(type) {
		case []any:
			said = append(said, v...)
		case string:
			for _, w := range strings.Fields(v) {
				said = append(said, w)
			}
		}
	}
	for i, w := range words {
		for _, s := range said {
			if text, ok := d.reference(s, w); ok {
				n.Content[i] = quoted(text)
			}
		}
	}
	return n
}

// writtenOut notes a value that had to be copied although the file has it by
// reference: what it refers to is not in the new project.
func (d *differ) writtenOut(service, key string) {
	text, ok := d.uninterpolatedVariable(service, key)
	if !ok || !redact.IsKey(key) || !strings.Contains(strings.ReplaceAll(text, "$$", ""), "$") {
		return
	}
	d.problem(Problem{Code: "written_out", Message: fmt.Sprintf("%s of service %s is %s in the file, which the .env of this project does not set: its value is written into %s", key, service, text, compose.OverrideName),
		Way: "to have it in one place: set the variable in .env, and write the reference into the override"})
}

// fromFiles are the variables that only an env_file sets.
func (d *differ) fromFiles(s types.ServiceConfig) []string {
	var out []string
	own := d.unresolved.Services[s.Name].Environment
	for key := range s.Environment {
		if _, ok := own[key]; !ok {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}

// envFiles carries the files over by their names. The project's own .env is no such file:
// it has odpm's settings as well, so each variable of it is named.
func (d *differ) envFiles(s, o types.ServiceConfig, _, _ any) {
	own := filepath.Join(d.p.Dir, ".env")
	var files []types.EnvFile
	for _, file := range s.EnvFiles {
		if file.Path != own && !slices.ContainsFunc(o.EnvFiles, func(x types.EnvFile) bool { return x.Path == file.Path }) {
			files = append(files, file)
		}
	}
	needed := slices.ContainsFunc(d.fromFiles(s), func(key string) bool { return d.inFile(s, o, key) })
	if !needed {
		// They have the login alone, or nothing so far.
		files = slices.DeleteFunc(files, func(file types.EnvFile) bool {
			values, err := dotenv.Read(file.Path)
			return len(values) > 0 || err != nil && bool(file.Required)
		})
	}
	list := d.resolved(s.Name, "env_file")
	var keep []*yaml.Node
	for i, file := range s.EnvFiles {
		if !slices.Contains(files, file) || list == nil || i >= len(list.Content) {
			continue
		}
		item := list.Content[i]
		if path := yamlnode.Get(item, "path"); path != nil && bool(file.Required) && file.Format == "" {
			item = quoted(path.Value) // which an older docker compose takes as well
		}
		keep = append(keep, item)
	}
	if len(keep) == 0 {
		return
	}
	d.out.add(d.own(s), "env_file", keep...)
	d.carried("services." + d.own(s) + ".env_file")
	for _, key := range d.fromFiles(s) {
		if _, ok := o.Environment[key]; needed && d.loginVariable(s, key) && !ok {
			d.out.setIn(d.own(s), "environment", key, d.instead(s, key))
		}
	}
}

// inFile: the variable comes into odpm's container by the env_file.
func (d *differ) inFile(s, o types.ServiceConfig, key string) bool {
	_, ours := o.Environment[key]
	return !ours && !d.loginVariable(s, key) && !d.inEnv(s, key)
}

// inEnv: an env_file has the variable that is the project's own .env. A variable of
// the shell's may hide it from interpolation.
func (d *differ) inEnv(s types.ServiceConfig, key string) bool {
	own := filepath.Join(d.p.Dir, ".env")
	if !slices.ContainsFunc(s.EnvFiles, func(x types.EnvFile) bool { return x.Path == own }) {
		return false
	}
	v, have := s.Environment[key], ""
	if values, err := dotenv.Read(own); err == nil {
		have = values[key]
	}
	return len(s.EnvFiles) == 1 || v != nil && have == *v
}

// shells are variables that a shell sets: of .env they are no reference, because
// compose prefers the shell's.
var shells = []string{"USER", "LOGNAME", "HOME", "HOST", "HOSTNAME", "PATH", "SHELL", "LANG", "TERM", "PWD", "MAIL", "TMPDIR", "EDITOR", "DISPLAY", "TZ"}

// instead is what a variable of the login is, where an env_file that is carried over
// sets it: odpm says these things in its own way.
func (d *differ) instead(s types.ServiceConfig, key string) *yaml.Node {
	switch {
	case key == "PGDATA":
		return quoted(d.p.PGData())
	case key == "PGPORT":
		return quoted(strconv.Itoa(compose.PostgresPort))
	case key == "PASSWORD_FILE":
		// Odoo's entrypoint reads the file where the variable is there at all.
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
	case key == "PASSWORD" && d.p.Env["POSTGRES_ODOO_PASS"] != "":
		return quoted("${POSTGRES_ODOO_PASS}")
	}
	return quoted("")
}
