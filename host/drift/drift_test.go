package drift_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/shared/snapshot"
)

func yes() *bool { b := true; return &b }
func no() *bool  { b := false; return &b }

func base() (state.Observed, *snapshot.Snapshot) {
	s := snapshot.Snapshot{
		Cluster:  snapshot.Cluster{AppRole: "odoo", AppRolePresent: yes(), DataDirNonempty: true, PGMajor: 15, SystemIdentifier: "7300000000000000001"},
		Compose:  snapshot.Compose{ServiceName: "db", DataPathAbs: "/srv/pg15", HostPort: 5432, ImageTag: "15"},
		OdooConf: snapshot.OdooConf{DBHost: "db", DBPort: 5432, DBUser: "odoo"},
		Scenario: "developer",
	}
	o := state.Observed{Candidate: s, ImageMajor: 15, AppRolePresent: yes(), SystemIdentifier: "7300000000000000001",
		Data: datadir.Facts{State: datadir.Initialised, Major: 15, Path: "/srv/pg15"}}
	return o, &s
}

type row struct {
	Kind              drift.Kind
	Severity          drift.Severity
	Previous, Current string
	Resolvable        bool
}

func rows(ds []drift.Drift) []row {
	var out []row
	for _, d := range ds {
		out = append(out, row{d.Kind, d.Severity, d.Previous, d.Current, d.Resolvable})
	}
	return out
}

func TestCompare(t *testing.T) {
	tests := map[string]struct {
		change func(*state.Observed, *snapshot.Snapshot)
		want   []row
	}{
		"nothing changed": {func(*state.Observed, *snapshot.Snapshot) {}, nil},
		"service renamed": {func(o *state.Observed, _ *snapshot.Snapshot) {
			o.Candidate.Compose.ServiceName = "pg"
		}, []row{{drift.ServiceName, drift.Low, "db", "pg", false}, {drift.DBHostMismatch, drift.Low, "pg", "db", false}}},
		// Python odpm, run by an ordinary user, may not look into PostgreSQL's directory.
		"a role in a directory called empty": {func(_ *state.Observed, s *snapshot.Snapshot) {
			s.Cluster.DataDirNonempty, s.Cluster.PGMajor, s.Cluster.SystemIdentifier = false, 0, ""
		}, nil},
		"and it is empty now": {func(o *state.Observed, s *snapshot.Snapshot) {
			s.Cluster.DataDirNonempty, s.Cluster.PGMajor, s.Cluster.SystemIdentifier = false, 0, ""
			o.Data, o.SystemIdentifier, o.AppRolePresent = datadir.Facts{State: datadir.Empty, Path: "/srv/pg15"}, "", nil
		}, []row{{drift.DataDirEmptyChanged, drift.Medium, "not empty", "empty", true}}},
		"prefix appears": {func(o *state.Observed, _ *snapshot.Snapshot) {
			o.Candidate.Compose.ProjectName = "acme"
		}, []row{{drift.ComposeProjectName, drift.Low, "(not set)", "acme", false}}},
		"port": {func(o *state.Observed, _ *snapshot.Snapshot) {
			o.Candidate.Compose.HostPort = 5433
		}, []row{{drift.HostPort, drift.Low, "5432", "5433", false}}},
		"scenario": {func(o *state.Observed, _ *snapshot.Snapshot) {
			o.Candidate.Scenario = "server"
		}, []row{{drift.OdpmScenario, drift.Medium, "developer", "server", true}}},
		"data path, other cluster there: identity is told by the path alone": {func(o *state.Observed, _ *snapshot.Snapshot) {
			o.Candidate.Compose.DataPathAbs = "/srv/other"
			o.SystemIdentifier = "7300000000000000002"
		}, []row{{drift.DataPath, drift.High, "/srv/pg15", "/srv/other", true}}},
		"data path through a link is the same directory": {func(o *state.Observed, _ *snapshot.Snapshot) {
			o.Candidate.Compose.DataPathAbs = "/link/pg15"
		}, nil},
		"another cluster at the same path": {func(o *state.Observed, _ *snapshot.Snapshot) {
			o.SystemIdentifier = "7300000000000000002"
		}, []row{{drift.ClusterIdentity, drift.High, "7300000000000000001", "7300000000000000002", true}}},
		"identity unknown is not a change": {func(o *state.Observed, _ *snapshot.Snapshot) {
			o.SystemIdentifier = ""
		}, nil},
		"directory empty": {func(o *state.Observed, _ *snapshot.Snapshot) {
			o.Data = datadir.Facts{State: datadir.Empty}
		}, []row{{drift.DataDirEmptyChanged, drift.Medium, "not empty", "empty", true}}},
		"directory missing": {func(o *state.Observed, _ *snapshot.Snapshot) {
			o.Data = datadir.Facts{State: datadir.Missing}
		}, []row{{drift.DataDirEmptyChanged, drift.Medium, "not empty", "missing", true}}},
		"unreadable directory is unknown, not empty": {func(o *state.Observed, _ *snapshot.Snapshot) {
			o.Data = datadir.Facts{State: datadir.Unknown}
		}, nil},
		"image of another major, data unreadable": {func(o *state.Observed, _ *snapshot.Snapshot) {
			o.ImageMajor = 16
			o.Data = datadir.Facts{State: datadir.Unknown}
		}, []row{{drift.PostgresMajor, drift.High, "15", "16", true}}},
		"image of another major over this data: nothing to accept": {func(o *state.Observed, _ *snapshot.Snapshot) {
			o.ImageMajor = 16
		}, []row{{drift.PostgresMajor, drift.High, "15 (data directory)", "16 (image)", false}}},
		"data migrated with the image": {func(o *state.Observed, _ *snapshot.Snapshot) {
			o.ImageMajor, o.Data.Major = 16, 16
		}, []row{{drift.PostgresMajor, drift.High, "15", "16", true}}},
		"snapshot without pg_major: its tag tells": {func(o *state.Observed, s *snapshot.Snapshot) {
			s.Cluster.PGMajor = 0
			s.Compose.ImageTag = "14.2-alpine"
		}, []row{{drift.PostgresMajor, drift.High, "14", "15", true}}},
		"role missing": {func(o *state.Observed, _ *snapshot.Snapshot) {
			o.AppRolePresent = no()
		}, []row{{drift.AppRoleMissing, drift.High, "odoo present", "odoo missing", true}}},
		"role unknown": {func(o *state.Observed, _ *snapshot.Snapshot) { o.AppRolePresent = nil }, nil},
	}
	same := func(a, b string) bool { return a == "/srv/pg15" && b == "/link/pg15" }
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o, s := base()
			tt.change(&o, s)
			if d := cmp.Diff(tt.want, rows(drift.Compare(o, s, same))); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func TestFirstRun(t *testing.T) {
	o, _ := base()
	o.AppRolePresent = no()
	got := rows(drift.Compare(o, nil, nil))
	want := []row{{drift.FirstRun, drift.Info, "no snapshot", "baseline adopted on start", false}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	// An image that cannot open the data is told on the very first run too.
	o.Data.Major = 13
	ds := drift.Compare(o, nil, nil)
	if !drift.Has(ds, drift.PostgresMajor) || len(drift.Open(ds, drift.Accepted{drift.PostgresMajor: true})) != 1 {
		t.Errorf("image 15 over data of 13 must stay open whatever is accepted: %+v", ds)
	}
}

func TestAccepted(t *testing.T) {
	o, s := base()
	o.Candidate.Scenario, o.Candidate.Compose.DataPathAbs, o.Candidate.Compose.HostPort = "server", "/srv/x", 1
	ds := drift.Compare(o, s, nil)
	if n := len(drift.Open(ds, nil)); n != 2 {
		t.Fatalf("open: %d, want scenario and path: %+v", n, ds)
	}
	a, err := drift.ParseAccepted([]string{"data_path,odpm_scenario"})
	if err != nil {
		t.Fatal(err)
	}
	if open := drift.Open(ds, a); len(open) != 0 {
		t.Errorf("still open: %+v", open)
	}
	for _, bad := range []string{"host_port", "first_run", "nonsense", ""} {
		if _, err := drift.ParseAccepted([]string{bad}); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
