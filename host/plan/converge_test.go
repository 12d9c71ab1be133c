package plan_test

import (
	"math/rand/v2"
	"testing"

	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/world"
)

var kinds = []string{engines.Docker, engines.Native, engines.External}

// everything that can be accepted.
func everything() drift.Accepted {
	all := drift.Accepted{}
	for _, k := range drift.Acceptable() {
		all[k] = true
	}
	return all
}

// accidents are what happens to a project between two runs: a person edits it,
// or something is stopped, lost or made elsewhere.
var accidents = []struct {
	name string
	do   func(*rand.Rand, *place)
}{
	{"port", func(r *rand.Rand, x *place) { x.p.PostgresPort = 5432 + r.IntN(3) }},
	{"odoo port", func(r *rand.Rand, x *place) { x.p.OdooPort = 18069 + r.IntN(3) }},
	{"scenario", func(r *rand.Rand, x *place) {
		x.p.Scenario = []project.Scenario{project.Developer, project.Server, project.CI}[r.IntN(3)]
	}},
	{"service name", func(r *rand.Rand, x *place) {
		if x.p.Prefix == "" {
			x.p.ServiceName = []string{"db", "pg", "postgres"}[r.IntN(3)]
		}
	}},
	{"prefix", func(r *rand.Rand, x *place) {
		prefix := []string{"blue", "green"}[r.IntN(2)]
		x.w.Last = x.w.Containers
		for i := range x.w.Last {
			x.w.Last[i].Project = x.p.Name
		}
		if x.p.Name != prefix {
			x.w.Containers = nil
		}
		x.p.Prefix, x.p.Name, x.p.ServiceName, x.p.OdooServiceName, x.p.VolumeName = prefix, prefix, prefix+"-db", prefix+"-odoo", prefix+"-postgres-data"
		x.renamed()
	}},
	{"data path", func(r *rand.Rand, x *place) {
		x.p.DataDir = []string{dir + "/pg", dir + "/pg2"}[r.IntN(2)]
		x.moved(r)
	}},
	{"odoo.conf", func(r *rand.Rand, x *place) {
		if !x.p.External {
			x.conf = []string{"", "[options]\n", "[options]\ndb_host = localdb\ndb_password = s3cret\n"}[r.IntN(3)]
		}
	}},
	{"role dropped", func(r *rand.Rand, x *place) { x.setRole(x.p.External) }},
	{"checker", func(r *rand.Rand, x *place) { x.w.Checker.Digest = []string{"c0ffee", "decade"}[r.IntN(2)] }},
	{"base image", func(r *rand.Rand, x *place) {
		if x.w.OdooImage != nil {
			im := *x.w.OdooImage
			im.ID = []string{"sha256:odoo", "sha256:newer"}[r.IntN(2)]
			x.w.OdooImage = &im
		}
	}},
	{"base image removed", func(r *rand.Rand, x *place) { x.w.OdooImage = nil }},
	{"all stopped", func(r *rand.Rand, x *place) { x.stopAll() }},
	{"down", func(r *rand.Rand, x *place) { x.stopAll(); x.w.Containers, x.w.Last = nil, nil }},
	{"odoo stopped", func(r *rand.Rand, x *place) {
		for i := range x.w.Containers {
			if x.w.Containers[i].Service == x.p.OdooServiceName {
				x.w.Containers[i].Running = false
			}
		}
		x.w.Process.Runs = false
	}},
	{"compose file edited", func(r *rand.Rand, x *place) {
		if x.w.Files.Compose.Bytes != nil {
			x.w.Files.Compose.Bytes = append([]byte(nil), append(x.w.Files.Compose.Bytes, "# edited\n"...)...)
		}
	}},
	{"another volume object", func(r *rand.Rand, x *place) {
		if x.w.Kind == engines.Docker && !x.w.Status.Running {
			x.w.Volume = engine.Volume{Name: x.p.Name + "_" + x.p.VolumeName, Device: "/elsewhere"}
		}
	}},
	{"image of an earlier run", func(r *rand.Rand, x *place) {
		if x.w.Stack {
			x.w.Built = append(x.w.Built, engine.BuiltImage{Ref: world.BuiltRepository(x.p.Name) + ":00000000000" + string('0'+rune(r.IntN(3))), Base: "sha256:old"})
		}
	}},
}

func (x *place) stopAll() {
	if x.p.External {
		return
	}
	x.w.Status, x.w.Server, x.w.Addr, x.w.Holders, x.w.OldServer = engine.Status{Exists: true}, nil, "", nil, nil
	x.w.OnOldData = false
	for i := range x.w.Containers {
		x.w.Containers[i].Running = false
	}
	x.w.Last = nil
	x.w.Process.Runs = false
}

// renamed: what runs was called otherwise, so the server of today does not run.
func (x *place) renamed() {
	if x.p.External {
		return
	}
	x.w.Volume = engine.Volume{}
	if x.w.Kind == engines.Docker {
		x.w.Status, x.w.Server, x.w.Addr, x.w.OnOldData = engine.Status{}, nil, "", false
		for i := range x.w.Holders {
			x.w.Holders[i].Own = false
		}
	}
}

// moved: another directory is the project's.
func (x *place) moved(r *rand.Rand) {
	if x.p.External || x.w.Snapshot == nil {
		return
	}
	x.w.SameData = x.w.Snapshot.Compose.DataPathAbs == x.p.DataDir
	if x.w.SameData {
		return
	}
	x.w.Disk = datadir.Facts{Path: x.p.DataDir, State: datadir.Missing}
	if r.IntN(2) == 0 {
		x.w.Disk = datadir.Facts{Path: x.p.DataDir, State: datadir.Initialised, Major: 15, SystemIdentifier: "7002", ClusterDir: "."}
	}
	x.role, x.w.Server = false, nil
	x.w.OnOldData = x.w.Kind == engines.Docker && x.w.Status.Running
	if x.w.Volume.Name != "" {
		x.w.Volume.Right = false
		for _, c := range x.w.Containers {
			if c.Service == x.p.ServiceName {
				x.w.Volume.Users = []string{c.Name}
			}
		}
	}
	if x.w.Kind == engines.Native && x.w.Status.Running {
		x.w.OldServer = &world.OldServer{DataDir: x.w.Snapshot.Compose.DataPathAbs, Port: x.w.Snapshot.Compose.HostPort}
		x.w.Status, x.w.Addr = engine.Status{}, ""
	}
}

func (x *place) setRole(yes bool) {
	x.role = yes
	if x.w.Server != nil {
		f := *x.w.Server
		f.AppRolePresent = &yes
		x.w.Server = &f
	}
}

// Whatever happened between two runs: a run that is not refused ends in a place
// where nothing is left to do, after one look for each server that it starts or
// stops and each role it makes; and what --skip-start does is part of what a
// whole run does.
func TestConverges(t *testing.T) {
	runs, most := 0, 0
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 7))
		kind := kinds[r.IntN(len(kinds))]
		x := newPlace(kind)
		if r.IntN(2) == 0 && kind != engines.External {
			x.inherited()
		}
		if r.IntN(2) == 0 {
			if _, err := x.run(t, plan.Want{Goal: plan.Odoo}, everything()); err != nil {
				t.Fatalf("%d: the first run: %v", seed, err)
			}
		}
		var story []string
		for range r.IntN(4) {
			a := accidents[r.IntN(len(accidents))]
			story = append(story, a.name)
			a.do(r, x)
		}
		files, _, _ := x.make(t, plan.Want{Goal: plan.Files}, everything())
		whole, _, _ := x.make(t, plan.Want{Goal: plan.Odoo}, everything())
		for _, a := range files.Actions {
			if !has(whole.Actions, a) {
				t.Fatalf("%d %s %q: --skip-start does what a run does not: %s\n%s", seed, kind, story, a, whole)
			}
		}
		before, _, _ := x.make(t, plan.Want{Goal: plan.Odoo}, everything())
		looks, err := x.run(t, plan.Want{Goal: plan.Odoo}, everything())
		if err != nil {
			continue
		}
		runs++
		most = max(most, looks)
		after, _, _ := x.make(t, plan.Want{Goal: plan.Odoo}, nil)
		if after.Changes() {
			t.Fatalf("%d %s %q: after %d looks there is more to do:\n%s\nbefore:\n%s", seed, kind, story, looks, after, before)
		}
	}
	if runs < 100 {
		t.Errorf("only %d runs were not refused", runs)
	}
	t.Logf("%d runs, at most %d looks", runs, most)
}

func has(all []plan.Action, a plan.Action) bool {
	for _, b := range all {
		if b.Op == a.Op && b.Resource == a.Resource {
			return true
		}
	}
	return false
}
