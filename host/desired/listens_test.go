package desired

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/host/world"
)

// A command in an override that has Odoo listen somewhere else is where its ports are
// published to: nobody reached such an Odoo.
func TestListens(t *testing.T) {
	dir := t.TempDir()
	for file, text := range map[string]string{
		"odpm.json":                   `{"postgres_version": "15", "odoo_version": "18.0"}`,
		"odoo.conf":                   "[options]\ndb_host = db\ndb_port = 5432\ndb_user = odoo\nhttp_port = 7777\n",
		"docker-compose.override.yml": "services: {odoo: {command: [odoo, --http-port=8888, --data-dir=/var/lib/odoo]}}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	in, err := inputs.Read(t.Context(), dir, nil, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d, err := Make(in, &world.World{Kind: engines.Docker, Stack: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"127.0.0.1:8069:8888", "127.0.0.1:8072:8072"} {
		if !strings.Contains(string(d.Compose), want) {
			t.Errorf("%s is not in\n%s", want, d.Compose)
		}
	}
}
