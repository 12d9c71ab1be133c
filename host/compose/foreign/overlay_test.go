package foreign

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/compose"
)

const threeOdoos = `
services:
  db: {image: "postgres:15", environment: {POSTGRES_PASSWORD: x}, volumes: ["./pg:/var/lib/postgresql/data"]}
  odoo: {image: "odoo:17.0", ports: ["8069:8069"], environment: {HOST: db}, volumes: ["./data/odoo:/var/lib/odoo"]}
  crons: {image: "odoo:17.0", command: odoo --no-http, environment: {HOST: db}, volumes: ["./data/odoo:/var/lib/odoo"]}
  old: {image: "odoo:16.0", environment: {HOST: db}, volumes: ["./old:/var/lib/odoo"]}
`

// TestOverlay: it changes what stands in front of Odoo, and nothing else.
func TestOverlay(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(threeOdoos), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Read(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(f.OdooServices(), " "); got != "odoo crons" {
		t.Errorf("services of Odoo: %s", got)
	}
	o := compose.Overlay{Dir: dir, Project: dir, HandoffID: "0123", Services: []compose.Overlaid{
		{Service: "odoo", Entrypoint: []string{compose.CheckerMounted("abcdefabcdefabcdef"), "--", "/entrypoint.sh"}, Command: []string{"odoo", "--db-filter=^$x"}, Records: true, Group: "1000"},
		{Service: "crons", Entrypoint: []string{compose.CheckerMounted("abcdefabcdefabcdef"), "--", "/entrypoint.sh"}, Command: []string{"odoo", "--no-http"}},
	}}
	text, err := o.Build()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, compose.OverlayName)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if !compose.IsOurs(text) {
		t.Error("it is not known as odpm's")
	}
	kept, err := os.ReadFile(filepath.Join(dir, "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := compose.Merge(t.Context(), dir, filepath.Join(dir, "compose.yaml"), kept, []string{path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	odoo := m.Services["odoo"]
	if got := strings.Join(append(odoo.Entrypoint, odoo.Command...), " "); got != "/run/odpm/runtime/odpm-checker-abcdefabcdef -- /entrypoint.sh odoo --db-filter=^$x" {
		t.Errorf("starts %s", got)
	}
	if odoo.Image != "odoo:17.0" || len(odoo.Ports) != 1 || *odoo.Environment["HOST"] != "db" || *odoo.Environment["ODPM_HANDOFF_ID"] != "0123" || len(odoo.Volumes) != 3 || odoo.GroupAdd[0] != "1000" {
		t.Errorf("%+v", odoo)
	}
	if c := m.Services["crons"]; *c.Environment["ODPM_NO_RECORD"] != "true" || len(c.Volumes) != 2 || len(c.GroupAdd) > 0 {
		t.Errorf("%+v", c)
	}
	if len(m.Services["old"].Entrypoint) > 0 {
		t.Error("another image's Odoo is changed too")
	}
}

// Of several Odoos on one database the one that people open is meant, whatever the
// others publish and say.
func TestTheOneThatPeopleOpen(t *testing.T) {
	for _, text := range []string{`
  app: {image: "odoo:17.0", ports: ["8069:8069"], environment: {HOST: db}, volumes: ["./data:/var/lib/odoo"]}
  longpolling: {image: "odoo:17.0", command: odoo gevent, ports: ["8072:8072"], environment: {HOST: db}, volumes: ["./data:/var/lib/odoo"]}
  worker: {image: "odoo:17.0", command: odoo --no-http --max-cron-threads=2, environment: {HOST: db}, volumes: ["./data:/var/lib/odoo"]}
`, `
  app: {image: "odoo:17.0", environment: {HOST: db}, volumes: ["./data:/var/lib/odoo"]}
  live: {image: "odoo:17.0", command: odoo --http-port=8072, ports: ["8072:8072"], environment: {HOST: db, DB_FILTER: x}, volumes: ["./data:/var/lib/odoo"]}
`} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte("services:\n  db: {image: \"postgres:15\", environment: {POSTGRES_PASSWORD: x}}"+text), 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := Read(t.Context(), dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		if f.OdooService() != "app" || len(f.OdooServices()) != len(f.OdooCandidates) {
			t.Errorf("it is %q of %v, in front of %v", f.OdooService(), f.OdooCandidates, f.OdooServices())
		}
	}
}

// A stack that never ran gets its cluster beside Odoo's data, not in them.
func TestNewClusterBesideOdoo(t *testing.T) {
	f := readText(t, `
services:
  odoo: {image: "odoo:17.0", environment: {HOST: db, USER: a, PASSWORD: b}, volumes: ["./data:/var/lib/odoo"]}
  db: {image: "postgres:15", environment: {POSTGRES_USER: a, POSTGRES_PASSWORD: b}, volumes: ["pg:/var/lib/postgresql/data"]}
volumes: {pg: {}}
`, nil)
	p := f.Propose(Place{Dir: f.Dir, Copying: true, Volumes: map[string]bool{}})
	content, _, err := p.EnvFile(nil)
	if err != nil {
		t.Fatal(err)
	}
	if at := loadWith(t, f.Dir, content, p.Manifest).DataDir; at != filepath.Join(f.Dir, "postgresql") {
		t.Errorf("%s\n%s", at, content)
	}
}
