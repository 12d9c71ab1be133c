package foreign

import (
	"context"
	"maps"
	"path"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/yamlnode"
)

// Difference is what somebody's file says and odpm's own document, with the
// override that is there, does not. It is computed from compose's resolved
// form of both, so that nothing has to be remembered to be compared.
type Difference struct {
	// Override is docker-compose.override.yml as it has to be for nothing to be
	// lost, nil where nothing is missing.
	Override []byte
	// Carried are the places in it, "services.odoo.labels". Otherwise are those
	// that odpm's document has another way, with how.
	Carried, Otherwise []string
	// Mounts are those among Carried that a service writes to.
	Mounts []string
	// Problems could not be carried over.
	Problems []Problem
	// OdooUser is the user that an override gives Odoo, "" where odpm's own file says
	// it.
	OdooUser string
}

// Difference compares with what odpm would write for a project. over are the
// override files that compose merges over it, existing what the one that is
// added to says.
func (f *File) Difference(ctx context.Context, p project.Project, over []string, existing []byte) (Difference, error) {
	spec := compose.Spec{Project: p, OdooImage: "odoo", HandoffID: "x", PostgresPasswordFile: ".odpm/state/" + compose.PostgresSecret}
	if f.Odoo != nil {
		// The options are carried over.
		spec.HTTPPort, spec.GeventPort = ListensOn(f.Doc.Services[f.Odoo.Service])
	}
	doc, err := compose.Build(spec)
	if err != nil {
		return Difference{}, err
	}
	ours, err := compose.Merge(ctx, p.Dir, filepath.Join(p.Dir, compose.FileName), doc, over, p.Env)
	if err != nil {
		return Difference{}, err
	}
	d := &differ{File: f, p: p, spec: spec, ours: ours, source: f.sources(p.Dir), out: newOverride(existing)}
	if d.out.err != nil {
		return Difference{}, d.out.err
	}
	if f.Postgres != nil && !p.External {
		if err := d.service(f.Postgres.Service, p.ServiceName, postgresRules); err != nil {
			return Difference{}, err
		}
	}
	if f.Odoo != nil {
		d.diff.OdooUser = ours.Services[p.OdooServiceName].User
		if err := d.service(f.Odoo.Service, p.OdooServiceName, odooRules); err != nil {
			return Difference{}, err
		}
	}
	if err := d.others(); err != nil {
		return Difference{}, err
	}
	if err := d.shared(); err != nil {
		return Difference{}, err
	}
	if len(d.diff.Carried) > 0 {
		d.movePort()
		if d.diff.Override, err = d.out.render(); err != nil {
			return Difference{}, err
		}
	}
	return d.diff, nil
}

// differ makes one Difference.
type differ struct {
	*File
	p      project.Project
	spec   compose.Spec
	ours   *types.Project
	source map[string]*yaml.Node
	out    *override
	diff   Difference
	// used are the top-level definitions that what was carried over refers to,
	// by section.
	used map[string][]string
	// above is upward's, once it was asked.
	above map[string]string
}

// rule says what becomes of one key of a service that differs. theirs and ours
// are the resolved values, ours nil where odpm's document has none.
type rule func(d *differ, s, o types.ServiceConfig, theirs, ours any)

func (d *differ) carried(at string) { d.diff.Carried = append(d.diff.Carried, at) }

func (d *differ) otherwise(service, key, how string) {
	d.diff.Otherwise = append(d.diff.Otherwise, "services."+service+"."+key+": "+how)
}

func (d *differ) problem(x Problem) { d.diff.Problems = append(d.diff.Problems, x) }

// refer notes a top-level definition that is needed.
func (d *differ) refer(section string, names ...string) {
	if d.used == nil {
		d.used = map[string][]string{}
	}
	d.used[section] = append(d.used[section], names...)
}

// otherway is a rule for what odpm's document says in its own way.
func otherway(key, how string) rule {
	return func(d *differ, s, _ types.ServiceConfig, _, _ any) { d.otherwise(s.Name, key, how) }
}

func silent(*differ, types.ServiceConfig, types.ServiceConfig, any, any) {}

// commonRules are for both services. A key without a rule is carried over as it
// stands.
var commonRules = map[string]rule{
	"image":        silent,
	"build":        silent,
	"pull_policy":  silent,
	"env_file":     (*differ).envFiles,
	"extends":      silent, // it is resolved
	"environment":  (*differ).environment,
	"volumes":      (*differ).mounts,
	"ports":        (*differ).ports,
	"depends_on":   (*differ).dependsOn,
	"network_mode": (*differ).networkMode,
	"networks":     (*differ).networks,
	"secrets":      (*differ).files,
	"configs":      (*differ).files2,
	"profiles":     otherway("profiles", "PostgreSQL and Odoo are always started"),
}

var postgresRules = map[string]rule{
	"command":           (*differ).postgresCommand,
	"healthcheck":       otherway("healthcheck", "odpm's own checks over TCP, because during its first initialisation the server already answers on its socket"),
	"stop_grace_period": (*differ).stopGracePeriod,
	"shm_size":          (*differ).shmSize,
}

var odooRules = map[string]rule{
	"command":    (*differ).odooCommand,
	"entrypoint": (*differ).odooEntrypoint,
	"deploy":     (*differ).odooDeploy,
	"scale":      func(d *differ, s, _ types.ServiceConfig, _, _ any) { d.oneOdoo(s, "scale") },
	"user":       (*differ).odooUser,
}

func (d *differ) service(name, own string, rules map[string]rule) error {
	s, o := d.Doc.Services[name], d.ours.Services[own]
	theirs, err := plain(s)
	if err != nil {
		return err
	}
	ours, err := plain(o)
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(theirs)) {
		if reflect.DeepEqual(theirs[key], ours[key]) {
			continue
		}
		r := rules[key]
		if r == nil {
			r = commonRules[key]
		}
		if r == nil {
			if !reflect.DeepEqual(once(theirs[key]), once(ours[key])) {
				d.whole(name, own, key)
			}
			continue
		}
		r(d, s, o, theirs[key], ours[key])
	}
	return nil
}

// once leaves out what a list says again: compose adds an override's hosts to those of
// the file, and after a takeover both files have them.
func once(v any) any {
	switch v := v.(type) {
	case []any:
		var out []any
		for _, x := range v {
			if !slices.ContainsFunc(out, func(y any) bool { return reflect.DeepEqual(x, y) }) {
				out = append(out, x)
			}
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for key, x := range v {
			out[key] = once(x)
		}
		return out
	}
	return v
}

// own is odpm's name of one of the two services.
func (d *differ) own(s types.ServiceConfig) string {
	if d.Odoo != nil && s.Name == d.Odoo.Service {
		return d.p.OdooServiceName
	}
	return d.p.ServiceName
}

func (d *differ) isOdoo(s types.ServiceConfig) bool { return d.Odoo != nil && s.Name == d.Odoo.Service }

// whole carries a key over as it stands in the file, else as compose resolves
// it.
func (d *differ) whole(name, own, key string) {
	n := d.written(name, key)
	if n == nil {
		n = d.resolved(name, key)
	}
	if n == nil {
		return
	}
	d.out.set(own, key, n)
	d.carried("services." + own + "." + key)
}

// odooDeploy: a port of this machine is published once, so there is one Odoo.
func (d *differ) odooDeploy(s, _ types.ServiceConfig, theirs, ours any) {
	own := d.own(s)
	if s.Deploy == nil || s.Deploy.Replicas == nil || *s.Deploy.Replicas == 1 {
		d.whole(s.Name, own, "deploy")
		return
	}
	d.oneOdoo(s, "deploy.replicas")
	if t, ok := theirs.(map[string]any); ok {
		delete(t, "replicas")
	}
	if reflect.DeepEqual(theirs, ours) {
		return
	}
	n := d.written(s.Name, "deploy")
	if n == nil {
		n = d.resolved(s.Name, "deploy")
	}
	rest := &yaml.Node{Kind: yaml.MappingNode}
	for i := 0; n != nil && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != "replicas" {
			rest.Content = append(rest.Content, n.Content[i], n.Content[i+1])
		}
	}
	if len(rest.Content) > 0 {
		d.out.set(own, "deploy", rest)
		d.carried("services." + own + ".deploy")
	}
}

func (d *differ) oneOdoo(s types.ServiceConfig, key string) {
	d.otherwise(s.Name, key, "Odoo's port is published on this machine, and only one container can have it; for more than one Odoo behind a proxy keep your file (ODPM_COMPOSE=keep in .env), or use several processes in one (workers in odoo.conf)")
}

// stopGracePeriod: PostgreSQL gets no less time than it had.
func (d *differ) stopGracePeriod(s, o types.ServiceConfig, _, _ any) {
	if s.StopGracePeriod != nil && (o.StopGracePeriod == nil || *s.StopGracePeriod > *o.StopGracePeriod) {
		d.whole(s.Name, d.own(s), "stop_grace_period")
	}
}

// shmSize: a smaller one than odpm's is no loss.
func (d *differ) shmSize(s, o types.ServiceConfig, _, _ any) {
	if s.ShmSize > o.ShmSize {
		d.whole(s.Name, d.own(s), "shm_size")
	}
}

// files are secrets, files2 configs. One that only a variable of the login names
// is not needed: odpm has the login from .env or odoo.conf.
func (d *differ) files(s, o types.ServiceConfig, _, _ any) {
	refs := make([]types.FileReferenceConfig, len(s.Secrets))
	for i, r := range s.Secrets {
		refs[i] = types.FileReferenceConfig(r)
	}
	have := make([]string, len(o.Secrets))
	for i, r := range o.Secrets {
		have[i] = r.Source
	}
	d.fileRefs(s, "secrets", "/run/secrets/", refs, have)
}

func (d *differ) files2(s, o types.ServiceConfig, _, _ any) {
	refs := make([]types.FileReferenceConfig, len(s.Configs))
	for i, r := range s.Configs {
		refs[i] = types.FileReferenceConfig(r)
	}
	have := make([]string, len(o.Configs))
	for i, r := range o.Configs {
		have[i] = r.Source
	}
	d.fileRefs(s, "configs", "/", refs, have)
}

func (d *differ) fileRefs(s types.ServiceConfig, section, dir string, refs []types.FileReferenceConfig, have []string) {
	list := d.resolved(s.Name, section)
	var keep []*yaml.Node
	for i, r := range refs {
		at := firstOf(r.Target, r.Source)
		if !path.IsAbs(at) {
			at = dir + at
		}
		if o := d.Odoo; d.isOdoo(s) && o.ConfTarget != "" && path.Clean(at) == o.ConfTarget {
			d.otherwise(s.Name, section, r.Source+": odoo.conf in the project's directory is mounted in its place")
			continue
		}
		login := false
		for key, v := range s.Environment {
			login = login || v != nil && *v == at && d.loginVariable(s, key)
		}
		if login || list == nil || i >= len(list.Content) {
			d.otherwise(s.Name, section, r.Source+": the login is in .env or odoo.conf")
			continue
		}
		if slices.Contains(have, d.renamed(section, r.Source)) {
			continue
		}
		item := list.Content[i]
		if d.taken(section, r.Source) {
			yamlnode.Set(item, "source", scalar(d.renamed(section, r.Source)))
			yamlnode.Set(item, "target", scalar(firstOf(r.Target, r.Source)))
		}
		keep = append(keep, item)
		d.refer(section, r.Source)
	}
	if len(keep) > 0 {
		d.out.add(d.own(s), section, keep...)
		d.carried("services." + d.own(s) + "." + section)
	}
}
