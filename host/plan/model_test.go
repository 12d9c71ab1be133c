package plan_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/desired"
	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/host/world"
	"github.com/odpm/odpm/shared/handoff"
	"github.com/odpm/odpm/shared/odooconf"
)

// place is a project and what is around it, as values: what a real engine and a
// real file system would have, and no more.
type place struct {
	in   inputs.Inputs
	p    project.Project
	w    world.World
	conf string
	// role tells whether the cluster has the application role; data what the
	// data directory holds while PostgreSQL is not running.
	role bool
	// ports are taken by others, access are what Odoo's user cannot do, and
	// judgement is what compose says of the files.
	ports     map[int]string
	access    []string
	judgement error
}

const dir = "/p"

// newPlace is a project that nobody has run yet, for one kind of engine.
func newPlace(kind string) *place {
	x := &place{
		p: project.Project{
			Dir: dir, Name: "acme", PlainName: "acme", ServiceName: "db", OdooServiceName: "odoo", VolumeName: "postgres-data",
			PostgresVersion: "15", PostgresMajor: 15, PostgresImage: "postgres:15", OdooVersion: "18.0", OdooMajor: 18, OdooImage: "odoo:18.0",
			PlatformName: "odoo", Scenario: project.Developer, Runtime: project.Auto,
			PostgresBind: "127.0.0.1", PostgresPort: 5432, OdooPort: 8069, GeventPort: 8072,
			DataDir: dir + "/pg", OdooDataDir: dir + "/data/odoo", OdooConfPath: dir + "/odoo.conf",
			AppRole: "odoo", AppRoleSource: "default", AppPassword: "s3cret", AppPasswordSource: "odoo.conf:3", Env: map[string]string{},
		},
		conf: "[options]\ndb_host = db\ndb_port = 5432\ndb_user = odoo\ndb_password = s3cret\n",
	}
	d := state.NewDirs(dir)
	x.w = world.World{
		Kind: kind, OdooHere: kind == engines.Native, Asked: true, Stack: kind == engines.Docker, UID: 1000, GID: 1000,
		Disk:    datadir.Facts{Path: dir + "/pg", State: datadir.Missing, UID: -1, GID: -1},
		Checker: world.Checker{Path: "/usr/local/bin/odpm-checker", Digest: "c0ffee"},
		Files: world.Files{
			Compose: compose.Found{Path: dir + "/docker-compose.yml"},
			Missing: []string{d.Runtime(), d.Database(), d.State(), dir + "/data/odoo", d.SecretPath(state.BootstrapSecret)},
		},
	}
	switch kind {
	case engines.Docker:
		x.w.OdooImage = &engine.Image{ID: "sha256:odoo", User: "odoo", Entrypoint: []string{"/entrypoint.sh"}, Cmd: []string{"odoo"},
			ImageFiles: engine.ImageFiles{AppendsLogin: true, Conf: "[options]\naddons_path = /mnt/extra-addons\ndata_dir = /var/lib/odoo\n"}}
		x.w.PGData = "/var/lib/postgresql/data"
	case engines.External:
		x.w.Disk = datadir.Facts{UID: -1, GID: -1}
		x.p.External, x.p.PostgresVersion, x.p.PostgresMajor, x.p.PostgresImage = true, "", 0, "postgres:"
		x.conf = "[options]\ndb_host = pg.example.com\ndb_port = 5432\ndb_user = odoo\ndb_password = s3cret\n"
		x.w.Stack, x.role = true, true
		x.w.OdooImage = &engine.Image{ID: "sha256:odoo", Entrypoint: []string{"/entrypoint.sh"}, Cmd: []string{"odoo"}, ImageFiles: engine.ImageFiles{AppendsLogin: true}}
		x.serverUp()
	}
	return x
}

// inherited is a cluster of somebody else's, which does not run.
func (x *place) inherited() {
	x.w.Disk = datadir.Facts{Path: dir + "/pg", State: datadir.Initialised, Major: 15, SystemIdentifier: "7001", ClusterDir: "."}
}

// inputs finishes the project.
func (x *place) inputs() *inputs.Inputs {
	in, p := x.in, x.p
	x.w.Files.Conf = nil
	if x.conf != "" {
		conf, err := odooconf.Parse([]byte(x.conf))
		if err != nil {
			panic(err)
		}
		p.OdooConf = conf
		x.w.Files.Conf = []byte(x.conf)
	}
	in.Project, in.Dirs = &p, state.NewDirs(dir)
	if in.ComposeFiles == nil {
		in.ComposeFiles = []string{dir + "/docker-compose.yml"}
	}
	if in.PostgresImage == "" {
		in.PostgresImage = p.PostgresImage
	}
	return &in
}

// answer is what a world.Reader does.
func (x *place) answer(w world.World, q world.Questions) world.World {
	w.Configs, w.Ports = maps.Clone(w.Configs), maps.Clone(w.Ports)
	for _, c := range q.Config {
		if w.Configs == nil {
			w.Configs = map[string]world.Config{}
		}
		doc := c
		if doc == nil {
			doc = w.Files.Compose.Bytes
		}
		sum := sha256.Sum256(doc)
		a := world.Config{Digest: hex.EncodeToString(sum[:]), Err: x.judgement}
		if a.Err != nil {
			a.Digest = ""
		}
		w.Configs[string(c)] = a
	}
	if q.Access != nil {
		w.Access = &world.Access{Who: "1000:1000", Problems: x.access}
	}
	for _, port := range q.Ports {
		if w.Ports == nil {
			w.Ports = map[world.PortQuestion]world.Port{}
		}
		who := x.ports[port.Port]
		w.Ports[port] = world.Port{Free: who == "", Owner: who, Next: port.Port + 1}
	}
	if q.RoleSQL {
		w.RoleSQL = &world.RoleSQL{Lines: []string{`CREATE ROLE "odoo" …;`}}
	}
	return w
}

// make makes a plan, its questions answered.
func (x *place) make(t testing.TB, want plan.Want, accepted drift.Accepted) (*plan.Plan, *desired.Desired, *inputs.Inputs) {
	t.Helper()
	in := x.inputs()
	w := x.w
	d, err := desired.Make(in, &w)
	if err != nil {
		t.Fatal(err)
	}
	for range 8 {
		p := plan.Make(in, &w, d, want, accepted)
		if p.Questions.Empty() {
			return p, d, in
		}
		w = x.answer(w, p.Questions)
	}
	t.Fatal("the plan asks for ever")
	return nil, nil, nil
}

// serverUp lets PostgreSQL run on the project's data.
func (x *place) serverUp() {
	id := x.w.Disk.SystemIdentifier
	if id == "" {
		id = "7999"
	}
	major := x.p.PostgresMajor
	if x.p.External {
		id, major = "7500", 15
	} else {
		x.w.Disk = datadir.Facts{Path: x.p.DataDir, State: datadir.Initialised, Major: major, SystemIdentifier: id, ClusterDir: "."}
	}
	present := x.role
	x.w.Status, x.w.OnOldData = engine.Status{Exists: true, Running: true, Ready: true, ID: "1"}, false
	x.w.Server = &cluster.Facts{Major: major, SystemIdentifier: id, AppRolePresent: &present}
	x.w.Addr = fmt.Sprintf("127.0.0.1:%d", x.p.PostgresPort)
	if x.w.Kind == engines.Docker {
		x.container("db", x.p.ServiceName, x.p.PostgresPort)
		x.w.Holders = []world.Holder{{Holder: engine.Holder{Kind: "container", Name: x.p.Name + "-" + x.p.ServiceName, Project: x.p.Name, Service: x.p.ServiceName, WorkingDir: dir, Own: true}, Here: true, Labelled: true}}
		x.w.Volume = engine.Volume{Name: x.p.Name + "_" + x.p.VolumeName, Device: x.p.DataDir, Right: true}
	}
}

// container replaces the project's container of a service.
func (x *place) container(id, service string, ports ...int) *world.Container {
	x.w.Containers = slices.DeleteFunc(slices.Clone(x.w.Containers), func(c world.Container) bool { return c.Service == service })
	c := world.Container{Here: true, Container: engine.Container{ID: id, Name: x.p.Name + "-" + service, Service: service, Project: x.p.Name, WorkingDir: dir, Running: true, ConfigHash: "h-" + service}}
	for _, port := range ports {
		c.Published = append(c.Published, engine.Published{HostIP: "127.0.0.1", HostPort: port, Inside: port})
	}
	x.w.Containers = append(x.w.Containers, c)
	return &x.w.Containers[len(x.w.Containers)-1]
}

// do is what an action does to the world.
func (x *place) do(a plan.Action, d *desired.Desired, in *inputs.Inputs) {
	w := &x.w
	switch a.Op {
	case plan.MakeDir, plan.MakeSecret:
		w.Files.Missing = slices.DeleteFunc(slices.Clone(w.Files.Missing), func(s string) bool { return s == a.Resource })
		if a.Op == plan.MakeSecret {
			w.Bootstrap = "generated"
		}
	case plan.WriteFile:
		switch a.File.Path {
		case x.p.OdooConfPath:
			x.conf, w.Files.Conf = string(a.File.New), a.File.New
		case w.Files.Compose.Path:
			w.Files.Compose.Bytes, w.Files.Compose.Beside = a.File.New, nil
		case world.HandoffPath(in.Dirs):
			w.Files.Handoff = a.File.New
		default:
			w.Files.PasswordEnv = a.File.New
		}
	case plan.PullImage:
		w.OdooImage = &engine.Image{ID: "sha256:odoo", Entrypoint: []string{"/entrypoint.sh"}, Cmd: []string{"odoo"}, ImageFiles: engine.ImageFiles{AppendsLogin: true}}
	case plan.BuildImage:
		w.Built = append(slices.DeleteFunc(slices.Clone(w.Built), func(b engine.BuiltImage) bool { return b.Ref == a.Resource }),
			engine.BuiltImage{Ref: a.Resource, ID: "built", Base: w.OdooImage.ID})
	case plan.RemoveImage:
		w.Built = slices.DeleteFunc(slices.Clone(w.Built), func(b engine.BuiltImage) bool { return b.Ref == a.Resource })
	case plan.StopService:
		gone := func(c world.Container) bool { return c.Service == a.Resource && c.Project == a.Project }
		for _, c := range slices.Concat(w.Containers, w.Last) {
			if gone(c) {
				w.Volume.Users = slices.DeleteFunc(slices.Clone(w.Volume.Users), func(s string) bool { return s == c.Name })
			}
		}
		w.Containers = slices.DeleteFunc(slices.Clone(w.Containers), gone)
		w.Last = slices.DeleteFunc(slices.Clone(w.Last), gone)
		w.Holders = slices.DeleteFunc(slices.Clone(w.Holders), func(h world.Holder) bool { return h.Service == a.Resource && h.Project == a.Project })
		if a.Resource == x.p.ServiceName && a.Project == x.p.Name {
			w.Status, w.Server, w.Addr, w.OnOldData = engine.Status{Exists: true}, nil, "", false
		}
	case plan.StopServer:
		w.OldServer, w.Status, w.Server, w.Addr = nil, engine.Status{Exists: true}, nil, ""
		w.Holders = nil
	case plan.RemoveVolume:
		w.Volume = engine.Volume{}
	case plan.StartPostgres:
		x.serverUp()
		w.Run.Started = true
	case plan.EnsureRole:
		x.role = true
		yes := true
		if w.Server != nil {
			f := *w.Server
			f.AppRolePresent = &yes
			w.Server = &f
		}
		w.Run.RoleEnsured = true
	case plan.WriteBaseline:
		b := d.Candidate(in)
		w.Snapshot, w.SameData = &b, true
	case plan.UpOdoo:
		x.up(d, in)
		w.Run.Up = true
	}
	w.Run.Acted = true
}

// up is an `up` whose login was proven.
func (x *place) up(d *desired.Desired, in *inputs.Inputs) {
	w := &x.w
	b := d.Candidate(in)
	b.HandoffID = d.Handoff.ID
	w.Snapshot, w.SameData = &b, true
	w.Accepted = nil
	if !w.Stack {
		w.Process = world.Process{Runs: len(x.p.OdooCommand) > 0, ID: d.Handoff.ID}
		return
	}
	if !x.p.External {
		x.container("db", x.p.ServiceName, x.p.PostgresPort)
	}
	c := x.container("odoo", x.p.OdooServiceName, x.p.OdooPort, x.p.GeventPort)
	c.Env = map[string]string{handoff.EnvID: d.Handoff.ID}
	for i := range w.Built {
		w.Built[i].Users = nil
		if w.Built[i].Ref == d.Image.Ref {
			w.Built[i].Users = []string{c.Name}
		}
	}
	sum := sha256.Sum256(w.Files.Compose.Bytes)
	w.Up = world.Up{Config: hex.EncodeToString(sum[:]), Services: w.Hashes()}
}

// run brings the place as far as a goal, everything acceptable accepted; it
// gives the number of looks that were needed, and what stopped it.
func (x *place) run(t testing.TB, want plan.Want, accepted drift.Accepted) (looks int, refused error) {
	t.Helper()
	x.w.Run = world.Run{}
	defer func() { x.w.Run = world.Run{} }()
	for looks = 1; looks < 10; looks++ {
		p, d, in := x.make(t, want, accepted)
		if len(drift.Changes(p.Drifts)) > 0 {
			x.w.Run.Drifted = true
		}
		if len(p.Open) > 0 {
			return looks, fmt.Errorf("open: %s", p.Open[0].Kind)
		}
		if err := p.Refused(); err != nil {
			return looks, err
		}
		revealed := false
		for _, a := range p.Actions {
			x.do(a, d, in)
			if a.Reveals {
				revealed = true
				break
			}
		}
		if !revealed {
			return looks, nil
		}
	}
	p, _, _ := x.make(t, want, accepted)
	t.Fatalf("it does not converge:\n%s", p)
	return 0, nil
}

// settled is a place that was run to its end.
func settled(t testing.TB, kind string) *place {
	t.Helper()
	x := ended[kind]
	if x == nil {
		x = newPlace(kind)
		if _, err := x.run(t, plan.Want{Goal: plan.Odoo}, nil); err != nil {
			t.Fatal(err)
		}
		ended[kind] = x
	}
	c := *x
	c.w.Containers, c.w.Built, c.w.Holders = slices.Clone(x.w.Containers), slices.Clone(x.w.Built), slices.Clone(x.w.Holders)
	c.w.Files.Missing, c.w.Up.Services = slices.Clone(x.w.Files.Missing), maps.Clone(x.w.Up.Services)
	if im := x.w.OdooImage; im != nil {
		c.w.OdooImage = new(*im)
	}
	return &c
}

// ended are settled places by their kind.
var ended = map[string]*place{}

// idle: the kept service waits for somebody to start Odoo in it.
func idle(x *place) {
	s := x.in.Kept.Doc.Services["odoo"]
	s.Entrypoint, s.Command = []string{"/entrypoint.sh"}, []string{"sleep", "infinity"}
	x.in.Kept.Doc.Services["odoo"] = s
}
