package desired

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/odpm/odpm/host/compose/foreign"
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/world"
)

// A kept file tells Odoo of a pooler, and its odoo.conf says no host: what is written
// there leads to the pooler too.
func TestKeptPooler(t *testing.T) {
	for host, want := range map[string]string{
		"pool": "[options]\nworkers = 2\ndb_host = pool\ndb_port = 6432\ndb_user = odoo\n",
		"db":   "[options]\nworkers = 2\ndb_host = db\ndb_port = 5432\ndb_user = odoo\n",
	} {
		dir := t.TempDir()
		text := "services:\n  pool: {image: pgbouncer}\n  db: {image: \"postgres:15\", environment: {POSTGRES_PASSWORD: x}}\n" +
			"  odoo: {image: \"odoo:17.0\", environment: {HOST: " + host + ", PORT: \"6432\"}}\n"
		if err := os.WriteFile(filepath.Join(dir, "compose.yml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := foreign.Read(context.Background(), dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		in := &inputs.Inputs{Kept: f, Project: &project.Project{Dir: dir, OdooMajor: 17, ServiceName: "db", OdooServiceName: "odoo", AppRole: "odoo", OdooConfPath: filepath.Join(dir, "odoo.conf")}}
		w := &world.World{}
		w.Files.Conf = []byte("[options]\nworkers = 2\n")
		d := &Desired{}
		if err := d.conf(in, w); err != nil {
			t.Fatal(err)
		}
		if string(d.Conf) != want {
			t.Errorf("HOST %s: %q, want %q", host, d.Conf, want)
		}
	}
}
