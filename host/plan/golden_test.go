package plan_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/compose/foreign"
	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/host/world"
)

var update = flag.Bool("update", false, "write the golden plans anew")

const (
	docker   = engines.Docker
	native   = engines.Native
	external = engines.External
)

// scene is a project and its surroundings; each is planned for every goal.
type scene struct {
	name     string
	place    func(t *testing.T) *place
	accepted []drift.Kind
}

func first(kind string, change ...func(*place)) func(*testing.T) *place {
	return func(*testing.T) *place {
		x := newPlace(kind)
		for _, c := range change {
			c(x)
		}
		return x
	}
}

// after is a place that ran to its end, and what happened then.
func after(kind string, change ...func(*place)) func(*testing.T) *place {
	return func(t *testing.T) *place {
		x := settled(t, kind)
		for _, c := range change {
			c(x)
		}
		return x
	}
}

func ran(x *place) { x.serverUp() }

func inherited(x *place) { x.inherited() }

func prefixed(x *place) {
	x.w.Last = x.w.Containers
	x.w.Containers = nil
	x.p.Prefix, x.p.Name, x.p.ServiceName, x.p.OdooServiceName, x.p.VolumeName = "blue", "blue", "blue-db", "blue-odoo", "blue-postgres-data"
	x.renamed()
}

func moved(state datadir.State) func(*place) {
	return func(x *place) {
		x.p.DataDir = dir + "/pg2"
		x.w.SameData, x.w.Server, x.role = false, nil, false
		x.w.Disk = datadir.Facts{Path: x.p.DataDir, State: state}
		if state == datadir.Initialised {
			x.w.Disk = datadir.Facts{Path: x.p.DataDir, State: state, Major: 15, SystemIdentifier: "7002", ClusterDir: "."}
		}
		if x.w.Kind == docker {
			x.w.OnOldData = true
			x.w.Volume.Right, x.w.Volume.Users = false, []string{"acme-db"}
			x.w.Holders = nil
			return
		}
		x.w.OldServer = &world.OldServer{DataDir: dir + "/pg", Port: 5432}
		x.w.Status, x.w.Addr, x.w.Holders = engine.Status{}, "", nil
	}
}

func stopped(x *place) { x.stopAll() }

func keep(x *place) {
	x.p.KeepCompose = true
	x.in.Kept = &foreign.File{Dir: dir, Name: "acme", Files: []string{dir + "/docker-compose.yml"}, Postgres: &foreign.Postgres{Service: "db"}, Odoo: &foreign.Odoo{Service: "odoo"}}
	x.in.Kept.Doc = &types.Project{Name: "acme", Services: types.Services{"db": {Name: "db"}, "odoo": {Name: "odoo"}}}
	x.in.ComposeFiles = append(x.in.Kept.Files, dir+"/.odpm/compose.yml")
	x.w.Files.Compose = compose.Found{Path: dir + "/.odpm/compose.yml"}
	x.w.Files.CheckerMounted = dir + "/.odpm/runtime/odpm-checker-0123456789ab"
	if x.w.OdooImage != nil {
		image := *x.w.OdooImage
		image.Script = "/entrypoint.sh"
		x.w.OdooImage = &image
	}
}

// hostNetwork: the port is the server's own, and no container publishes it.
func hostNetwork(x *place) {
	for i := range x.w.Containers {
		x.w.Containers[i].HostNetwork, x.w.Containers[i].Published = true, nil
	}
}

func another(h engine.Holder) func(*place) {
	return func(x *place) { x.w.Holders = append(x.w.Holders, world.Holder{Holder: h, Labelled: true}) }
}

func taken(ports ...int) func(*place) {
	return func(x *place) {
		x.ports = map[int]string{}
		for _, p := range ports {
			x.ports[p] = "nginx (pid 77)"
		}
	}
}

func major(on, image int) func(*place) {
	return func(x *place) {
		x.w.Disk = datadir.Facts{Path: dir + "/pg", State: datadir.Initialised, Major: on, SystemIdentifier: "7001", ClusterDir: "."}
		x.p.PostgresMajor, x.p.PostgresVersion, x.p.PostgresImage = image, fmt.Sprint(image), fmt.Sprint("postgres:", image)
	}
}

var scenes = []scene{
	// First runs.
	{"docker, nothing there", first(docker), nil},
	{"docker, inherited and stopped", first(docker, inherited), nil},
	{"docker, inherited and running", first(docker, inherited, ran), nil},
	{"docker, inherited, the role is there", first(docker, inherited, func(x *place) { x.role = true }, ran), nil},
	{"docker, the base image is not there", first(docker, func(x *place) { x.w.OdooImage = nil }), nil},
	{"docker, no image is there", first(docker, func(x *place) { x.w.OdooImage, x.w.MissingImages = nil, []string{"postgres:15", "redis:7"} }), nil},
	{"docker, running, an added service's image is not there", after(docker, func(x *place) {
		x.w.Up.Services["side"], x.w.MissingImages = "h", []string{"redis:7"}
	}), nil},
	{"docker, the base image carries the checker", first(docker, func(x *place) { x.w.OdooImage.Checker = "/odpm-checker" }), nil},
	{"docker, as root", first(docker, func(x *place) { x.w.UID, x.w.GID = 0, 0 }), nil},
	{"docker, not asked", first(docker, func(x *place) { x.w.Asked, x.w.Stack, x.w.OdooImage = false, false, nil }), nil},
	{"docker, does not answer", first(docker, func(x *place) {
		x.w.Asked, x.w.Stack, x.w.OdooImage = false, false, nil
		x.w.EngineErr = errors.New("the Docker engine cannot be used: it does not answer")
	}), nil},
	{"docker, no odoo.conf", first(docker, func(x *place) { x.conf = "" }), nil},
	{"docker, no password in odoo.conf", first(docker, func(x *place) { x.conf = "[options]\ndb_host = db\ndb_port = 5432\ndb_user = odoo\n" }), nil},
	{"docker, no checker", first(docker, func(x *place) { x.w.Checker = world.Checker{Err: errors.New("odpm-checker was not found")} }), nil},
	{"docker, a volume", first(docker, func(x *place) {
		x.p.DataDir, x.p.DataVolume = "", "theirs"
		x.w.Disk.State = datadir.Empty
	}), nil},
	{"docker, a volume that is not there", first(docker, func(x *place) { x.p.DataDir, x.p.DataVolume = "", "theirs" }), nil},
	{"docker, an image with a PGDATA of its own", first(docker, inherited, func(x *place) { x.w.PGData = "/bitnami/postgresql/data" }), nil},
	{"native, nothing there", first(native), nil},
	{"native, inherited and stopped", first(native, inherited), nil},
	{"native, inherited and running", first(native, inherited, ran), nil},
	{"native, with ODOO_COMMAND", first(native, func(x *place) { x.p.OdooCommand = []string{"odoo-bin"} }), nil},
	{"native, a directory that may not be read", first(native, func(x *place) {
		x.w.Disk = datadir.Facts{Path: dir + "/pg", Reason: "this user may not read it: permission denied"}
	}), nil},
	{"native, no TCP", first(native, inherited, ran, func(x *place) { x.w.Addr = "" }), nil},
	{"external", first(external), nil},
	{"external, with an administrator", first(external, func(x *place) { x.p.Env = map[string]string{inputs.AdminURLKey: "postgresql://dba:x@pg"} }), nil},
	{"external, not reachable", first(external, func(x *place) {
		x.w.Status, x.w.Server = engine.Status{Exists: true, ID: "pg.example.com:5432"}, nil
	}), nil},
	{"external, at localhost", first(external, func(x *place) { x.conf = "[options]\ndb_host = localhost\ndb_user = odoo\ndb_password = s3cret\n" }), nil},
	{"keep, stopped", first(docker, inherited, keep), nil},
	{"keep, a port that the file does not publish is taken", first(docker, inherited, keep, taken(5432)), nil},
	{"keep, the file's port is taken", first(docker, inherited, keep, func(x *place) { x.in.Kept.Postgres.Port, x.in.Kept.Postgres.Bind = 5432, "127.0.0.1" }, taken(5432)), nil},
	{"keep, no Odoo runs in it", first(docker, inherited, keep, idle), nil},
	{"keep, running on the host's network", first(docker, inherited, ran, keep, hostNetwork, taken(5432)), nil},
	{"keep, running", first(docker, inherited, ran, keep), nil},

	// Nothing happened, or things stopped.
	{"docker, settled", after(docker), nil},
	{"docker, all stopped", after(docker, stopped), nil},
	{"docker, odoo stopped", after(docker, func(x *place) { x.w.Containers[1].Running = false }), nil},
	{"docker, odoo paused", after(docker, func(x *place) { x.w.Containers[1].Running, x.w.Containers[1].Paused = false, true }), nil},
	{"docker, a container of another service is gone", after(docker, func(x *place) { x.w.Up.Services["side"] = "h" }), nil},
	{"docker, a service runs as other files say", after(docker, func(x *place) { x.w.Containers[0].ConfigHash = "other" }), nil},
	{"docker, what ran was not remembered", after(docker, func(x *place) { x.w.Up = world.Up{} }), nil},
	{"docker, images that nothing uses", after(docker, func(x *place) {
		x.w.Built = append(x.w.Built, engine.BuiltImage{Ref: "odpm/acme-odoo:0123456789ab"}, engine.BuiltImage{Ref: "odpm/acme-odoo:beefbeefbeef", Users: []string{"by-hand"}})
	}), nil},
	{"docker, another checker", after(docker, func(x *place) { x.w.Checker.Digest = "decade" }), nil},
	{"docker, a newer base", after(docker, func(x *place) { x.w.OdooImage.ID = "sha256:newer" }), nil},
	{"docker, a directory is gone", after(docker, func(x *place) { x.w.Files.Missing = []string{dir + "/data/odoo"} }), nil},
	{"docker, down and a volume object of another path", after(docker, stopped, func(x *place) {
		x.w.Containers, x.w.Volume = nil, engine.Volume{Name: "acme_postgres-data", Device: "/elsewhere"}
	}), nil},
	{"docker, a volume object that somebody else uses", after(docker, stopped, func(x *place) {
		x.w.Volume = engine.Volume{Name: "acme_postgres-data", Device: "/elsewhere", Users: []string{"by-hand"}}
	}), nil},
	{"native, settled", after(native), nil},
	{"native, stopped", after(native, stopped), nil},
	{"external, settled", after(external), nil},

	// Every kind of drift, open and accepted.
	{"service_name", after(docker, func(x *place) { x.p.ServiceName = "pg"; x.renamed() }), nil},
	{"service_name, native", after(native, func(x *place) { x.p.ServiceName = "pg" }), nil},
	{"compose_project_name", after(docker, prefixed), nil},
	{"compose_project_name, with another service of the stack", after(docker, func(x *place) { x.container("side", "side") }, prefixed), nil},
	{"db_host_mismatch", after(docker, func(x *place) { x.conf = strings.Replace(x.conf, "= db\n", "= localdb\n", 1) }), nil},
	{"host_port", after(docker, func(x *place) { x.p.PostgresPort = 5433 }), nil},
	{"host_port, native", after(native, func(x *place) {
		x.p.PostgresPort = 5433
		x.w.OldServer = &world.OldServer{DataDir: dir + "/pg", Port: 5432}
		x.w.Holders = []world.Holder{{Holder: engine.Holder{Kind: "postmaster", Name: "pid 9"}}}
	}), nil},
	{"odpm_scenario", after(docker, func(x *place) { x.p.Scenario = project.CI }), nil},
	{"odpm_scenario, accepted", after(docker, func(x *place) { x.p.Scenario = project.CI }), []drift.Kind{drift.OdpmScenario}},
	{"odpm_scenario, accepted before", after(docker, func(x *place) {
		x.p.Scenario = project.CI
		x.w.Accepted = []state.Acceptance{{Kind: "odpm_scenario", Previous: "developer", Current: "ci"}}
	}), nil},
	{"odpm_scenario, accepted before with another value", after(docker, func(x *place) {
		x.p.Scenario = project.Server
		x.w.Accepted = []state.Acceptance{{Kind: "odpm_scenario", Previous: "developer", Current: "ci"}}
	}), nil},
	{"data_dir_empty_changed", after(native, stopped, func(x *place) { x.w.Disk = datadir.Facts{Path: dir + "/pg", State: datadir.Missing} }), nil},
	{"data_dir_empty_changed, accepted", after(native, stopped, func(x *place) { x.w.Disk = datadir.Facts{Path: dir + "/pg", State: datadir.Empty} }), []drift.Kind{drift.DataDirEmptyChanged}},
	{"data_path", after(docker, moved(datadir.Missing)), nil},
	{"data_path, accepted", after(docker, moved(datadir.Missing)), []drift.Kind{drift.DataPath}},
	{"data_path to another cluster, accepted", after(docker, moved(datadir.Initialised)), []drift.Kind{drift.DataPath}},
	{"data_path, native, accepted", after(native, moved(datadir.Initialised)), []drift.Kind{drift.DataPath}},
	{"postgres_major", after(docker, stopped, func(x *place) {
		x.p.PostgresMajor, x.p.PostgresVersion, x.p.PostgresImage = 16, "16", "postgres:16"
		x.w.Disk = datadir.Facts{Path: dir + "/pg"}
	}), nil},
	{"postgres_major, accepted", after(docker, stopped, func(x *place) {
		x.p.PostgresMajor, x.p.PostgresVersion, x.p.PostgresImage = 16, "16", "postgres:16"
		x.w.Disk = datadir.Facts{Path: dir + "/pg"}
	}), []drift.Kind{drift.PostgresMajor}},
	{"postgres_major on disk, first run", first(native, major(13, 15)), nil},
	{"postgres_major on disk, accepted in vain", first(docker, major(13, 15)), []drift.Kind{drift.PostgresMajor}},
	{"app_role_missing", after(docker, func(x *place) { x.setRole(false) }), nil},
	{"app_role_missing, accepted", after(docker, func(x *place) { x.setRole(false) }), []drift.Kind{drift.AppRoleMissing}},
	{"cluster_identity", after(docker, func(x *place) {
		x.w.Disk.SystemIdentifier = "7003"
		f := *x.w.Server
		f.SystemIdentifier = "7003"
		x.w.Server = &f
	}), nil},
	{"cluster_identity, accepted", after(native, stopped, func(x *place) { x.w.Disk.SystemIdentifier = "7003" }), []drift.Kind{drift.ClusterIdentity}},

	// What is refused, and from which goal on.
	{"a foreign compose file", first(docker, func(x *place) { x.w.Files.Compose.Bytes = []byte("services: {}\n") }), nil},
	{"a compose file beside ours", first(docker, func(x *place) { x.w.Files.Compose.Beside = []string{dir + "/compose.yaml"} }), nil},
	{"compose does not accept the files", after(docker, func(x *place) {
		x.judgement = errors.New(`service "mail" depends on undefined service "db2"`)
		x.w.Configs = nil
	}), nil},
	{"db_host elsewhere", first(docker, func(x *place) { x.conf = "[options]\ndb_host = pg.example.com\n" }), nil},
	{"an override against the plan", first(docker, func(x *place) {
		x.in.Conflicts = []inputs.Conflict{{What: "docker-compose.override.yml: services.db.image is postgres:16, PostgreSQL 16."}}
	}), nil},
	{"not a cluster", first(docker, func(x *place) {
		x.w.Disk = datadir.Facts{Path: dir + "/pg", State: datadir.Other, Reason: `it contains "notes" but no PG_VERSION`}
	}), nil},
	{"the layout of 18 below an image of 15", first(docker, func(x *place) {
		x.w.Disk = datadir.Facts{Path: dir + "/pg", State: datadir.Initialised, Major: 15, ClusterDir: "data"}
	}), nil},
	{"somebody else has the data", after(docker, stopped, another(engine.Holder{Kind: "container", Name: "theirs-db", Project: "theirs", Service: "db", WorkingDir: "/q", StopCommand: "docker compose -p theirs stop db"})), nil},
	{"who has the data is not known", after(docker, stopped, func(x *place) { x.w.HoldersErr = errors.New("permission denied") }), nil},
	{"a server on other data", after(docker, func(x *place) {
		x.w.Server, x.w.Elsewhere = nil, &world.Elsewhere{Where: "/elsewhere in container acme-db, which is no mount"}
	}), nil},
	{"another cluster in the same place", after(native, func(x *place) {
		x.w.Server, x.w.Elsewhere = nil, &world.Elsewhere{Where: dir + "/pg", Server: "1", Disk: "2"}
	}), nil},
	{"a stack of the same name from elsewhere", first(docker, func(x *place) { x.container("db", "db").Here = false }), nil},
	{"the stack of a project that was moved", first(docker, func(x *place) { c := x.container("db", "db"); c.Here, c.Gone = false, true }), nil},
	{"PostgreSQL's port is taken", after(docker, stopped, taken(5432)), nil},
	{"Odoo's port is taken, Odoo is stopped", after(docker, func(x *place) { x.w.Containers[1].Running, x.w.Containers[1].Published = false, nil }, taken(8069)), nil},
	{"both are taken, PostgreSQL's is on an internal network", first(docker, internal, taken(5432, 8069)), nil},
	{"both are taken", first(docker, taken(5432, 8069, 8072)), nil},
	{"Odoo's user cannot use the mounts", after(docker, stopped, func(x *place) { x.access = []string{"user 1000:1000 in the container cannot write in /p/data/odoo"} }), nil},
	{"a server with the password odoo", after(docker, func(x *place) {
		x.p.Scenario, x.p.AppPassword = project.Server, "odoo"
		x.w.Accepted = []state.Acceptance{{Kind: "odpm_scenario", Previous: "developer", Current: "server"}}
	}), nil},
	{"text indexes of another C library", after(docker, func(x *place) {
		f := *x.w.Server
		f.Collations = []cluster.CollationProblem{{Database: "prod", Recorded: "2.31", Actual: "2.36", Fix: []string{"REINDEX DATABASE prod;"}}}
		x.w.Server = &f
	}), nil},
}

// wants are the goals of the commands.
var wants = []struct {
	name string
	want plan.Want
}{
	{"odpm --skip-start", plan.Want{Goal: plan.Files}},
	{"odpm -d … --db-backup", plan.Want{Goal: plan.Role}},
	{"odpm database ensure-role", plan.Want{Goal: plan.Role, EnsureRole: true}},
	{"odpm", plan.Want{Goal: plan.Odoo}},
}

// TestGolden compares whole plans with testdata/plans.txt. Where one differs on
// purpose: go test ./host/plan -run TestGolden -update, and read the change.
func TestGolden(t *testing.T) {
	const file = "testdata/plans.txt"
	var b strings.Builder
	rows := 0
	for _, s := range scenes {
		accepted := drift.Accepted{}
		for _, k := range s.accepted {
			accepted[k] = true
		}
		for _, w := range wants {
			p, _, _ := s.place(t).make(t, w.want, accepted)
			fmt.Fprintf(&b, "== %s: %s\n%s\n", s.name, w.name, p)
			rows++
		}
	}
	if rows < 150 {
		t.Errorf("only %d rows", rows)
	}
	seen := map[drift.Kind]bool{}
	for _, s := range scenes {
		p, _, _ := s.place(t).make(t, plan.Want{Goal: plan.Odoo}, nil)
		for _, d := range p.Drifts {
			seen[d.Kind] = true
		}
	}
	for _, k := range append(drift.Acceptable(), drift.FirstRun, drift.ServiceName, drift.ComposeProjectName, drift.DBHostMismatch, drift.HostPort) {
		if !seen[k] {
			t.Errorf("no row has %s", k)
		}
	}
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	was, is := strings.Split(string(want), "== "), strings.Split(b.String(), "== ")
	for i := range max(len(was), len(is)) {
		var w, g string
		if i < len(was) {
			w = was[i]
		}
		if i < len(is) {
			g = is[i]
		}
		if d := cmp.Diff(strings.Split(w, "\n"), strings.Split(g, "\n")); d != "" {
			name, _, _ := strings.Cut(g, "\n")
			t.Errorf("%s (-want +got)\n%s", name, d)
		}
	}
}

// A plan of a goal has no refusal that belongs to a further one.
func TestRefusalsBelongToGoals(t *testing.T) {
	x := after(docker, func(x *place) { x.w.Containers[1].Running, x.w.Containers[1].Published = false, nil }, taken(8069))(t)
	for _, w := range wants {
		p, _, _ := x.make(t, w.want, nil)
		if refused := len(p.Refusals) > 0; refused != (w.want.Goal == plan.Odoo) {
			t.Errorf("%s:\n%s", w.name, p)
		}
	}
}

// A volume object that is replaced, a container that is stopped: the step that
// does it says so.
func TestNothingIsDoneUnderANoop(t *testing.T) {
	for _, s := range scenes {
		p, _, _ := s.place(t).make(t, plan.Want{Goal: plan.Odoo}, everything())
		for _, step := range p.Steps {
			quiet := step.Outcome == plan.Noop || step.Outcome == plan.Skip
			if quiet && slices.ContainsFunc(step.Actions, func(a plan.Action) bool { return a.Op != plan.ProveLogin }) {
				t.Errorf("%s: %s is %s and does %v", s.name, step.ID, step.Outcome, step.Actions)
			}
			if !quiet && step.Outcome == plan.Update && len(step.Actions) == 0 {
				t.Errorf("%s: %s is %s and does nothing", s.name, step.ID, step.Outcome)
			}
		}
	}
}
