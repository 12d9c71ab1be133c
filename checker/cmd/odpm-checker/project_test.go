package main_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/odpm/odpm/shared/handoff"
	"github.com/odpm/odpm/shared/snapshot"
	"github.com/odpm/odpm/test/localpg"
)

// project is what odpm prepares for a container: the two directories and the
// id in the environment.
type project struct {
	runtime, database, id string
	handoff               *handoff.Handoff
}

func newProject(t *testing.T, c *localpg.Cluster, odooMajor int) *project {
	t.Helper()
	dir := t.TempDir()
	p := &project{runtime: filepath.Join(dir, "runtime"), database: filepath.Join(dir, "database")}
	for _, d := range []string{p.runtime, p.database} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	candidate := snapshot.Snapshot{
		Cluster: snapshot.Cluster{AppRole: appRole},
		Compose: snapshot.Compose{ProjectName: "acme", OdooServiceName: "acme-odoo", ServiceName: "acme-db",
			DataPathAbs: "/srv/acme/data", HostPort: 5433, ImageTag: "15.6"},
		OdooConf: snapshot.OdooConf{DBHost: "acme-db", DBPort: 5432, DBUser: appRole},
		Scenario: "server",
	}
	id, err := handoff.Identify(&candidate, []byte("[options]\n"))
	if err != nil {
		t.Fatal(err)
	}
	p.id = id
	p.handoff = &handoff.Handoff{Version: handoff.Version, ID: id, Candidate: candidate, OdooMajor: odooMajor}
	if err := handoff.Save(p.runtime, p.handoff); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *project) env() []string {
	return []string{"ODPM_RUNTIME_DIR=" + p.runtime, "ODPM_DATABASE_DIR=" + p.database, handoff.EnvID + "=" + p.id}
}

func (p *project) path() string { return filepath.Join(p.database, snapshot.FileName) }

func (p *project) load(t *testing.T) *snapshot.Snapshot {
	t.Helper()
	s, err := snapshot.Load(p.path())
	if err != nil {
		t.Fatal(err)
	}
	return s
}
