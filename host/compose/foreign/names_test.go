package foreign

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A host is a service where compose would have it resolved so.
func TestServiceOf(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "docker-compose.yml")
	text := `name: shop
services:
  odoo: {image: "odoo:17.0", links: ["database:pg"], networks: {default: {}}}
  hosted: {image: "odoo:17.0", network_mode: host}
  database:
    image: postgres:15
    container_name: shop-pg-main
    command: -p 7080
    networks: {default: {aliases: [shop-17-0-prod-db, db.shop.example]}}
  pgbouncer: {image: "edoburu/pgbouncer"}
  local: {image: "postgres:15", network_mode: host, environment: {POSTGRES_PASSWORD: x}}
  socketed: {image: "odoo:17.0", volumes: ["sockets:/run/postgresql", "/mnt/extra-addons"]}
  server: {image: "postgres:15", volumes: ["sockets:/var/run/postgresql"]}
volumes: {sockets: }
`
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Read(context.Background(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ from, host, want string }{
		{"odoo", "database", "database"}, {"odoo", "pg", "database"}, {"hosted", "pg", ""},
		{"odoo", "shop-pg-main", "database"}, {"odoo", "SHOP-17-0-prod-db", "database"}, {"odoo", "db.shop.example", "database"},
		{"odoo", "shop-database-1", "database"}, {"odoo", "pgbouncer", "pgbouncer"}, {"odoo", "db", ""}, {"odoo", "localhost", ""},
		{"hosted", "localhost", "local"}, {"odoo", "", ""},
		{"socketed", "/run/postgresql", "server"}, {"socketed", "/tmp", ""}, {"socketed", "/mnt/extra-addons", ""}, {"odoo", "/run/postgresql", ""},
	} {
		if got := ServiceOf(f.Doc, tt.from, tt.host); got != tt.want {
			t.Errorf("%s from %s: %q, want %q", tt.host, tt.from, got, tt.want)
		}
	}
	for _, tt := range []struct {
		command []string
		want    int
	}{
		{[]string{"-p", "7080"}, 7080}, {[]string{"postgres", "-c", "port=7081"}, 7081}, {[]string{"postgres --port=7082"}, 7082},
		{[]string{"postgres", "-p7083"}, 7083}, {[]string{"postgres", "-c", "max_connections=300"}, 0}, {nil, 0},
	} {
		if got := commandPort(tt.command); got != tt.want {
			t.Errorf("%q: %d, want %d", tt.command, got, tt.want)
		}
	}
}

// Where the data is is looked for in what really runs.
func TestMadeData(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "docker-compose.yml")
	read := func(text string) *File {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := Read(context.Background(), path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	const unmounted = "name: shop\nservices:\n  web: {image: \"odoo:17.0\", environment: {HOST: db, USER: odoo, PASSWORD: pw1}}\n  db: {image: \"postgres:15\", environment: {POSTGRES_PASSWORD: pw1, POSTGRES_USER: odoo}}\n"
	t.Run("anonymous volumes", func(t *testing.T) {
		p := read(unmounted).Propose(Place{Dir: dir, Owner: "1000:1000", Made: map[string]Made{
			"db":  {Name: "shop-db-1", Mounts: []MadeMount{{Volume: "aaa", Destination: "/var/lib/postgresql/data"}}},
			"web": {Name: "shop-web-1", Mounts: []MadeMount{{Volume: "bbb", Destination: "/var/lib/odoo"}}},
		}})
		if !slices.ContainsFunc(p.Vars, func(v Var) bool { return v.Key == "POSTGRES_DATA_DIR" && v.Value == "volume:aaa" }) {
			t.Errorf("%+v", p.Vars)
		}
		if lost := p.Lost(); len(lost) != 1 || !strings.Contains(lost[0].Way, "-v bbb:/from:ro") || !strings.Contains(lost[0].Way, "chown -R 1000:1000") || !strings.Contains(lost[0].Way, "postgres:15") {
			t.Errorf("%+v", lost)
		}
	})
	t.Run("in the container itself", func(t *testing.T) {
		f := read(strings.ReplaceAll(unmounted, "POSTGRES_USER: odoo", "POSTGRES_USER: odoo, PGDATA: /inside"))
		lost := f.Propose(Place{Dir: dir, Made: map[string]Made{"db": {Name: "shop-db-1", Mounts: []MadeMount{{Volume: "aaa", Destination: "/var/lib/postgresql/data"}}}}}).Lost()
		if len(lost) != 1 || lost[0].Code != "container_layer" || !strings.Contains(lost[0].Way, "docker cp -a shop-db-1:/inside/.") {
			t.Errorf("%+v", lost)
		}
		// Its way out counts once something is there.
		made := map[string]Made{"db": {Name: "shop-db-1", Mounts: []MadeMount{{Volume: "aaa", Destination: "/var/lib/postgresql/data"}}}}
		at := Place{Dir: dir, Made: made, Data: "copied/data"}
		if lost := f.Propose(at).Lost(); len(lost) != 1 {
			t.Errorf("nothing was copied: %+v", lost)
		}
		if err := os.MkdirAll(filepath.Join(dir, "copied/data/base"), 0o755); err != nil {
			t.Fatal(err)
		}
		if lost := f.Propose(at).Lost(); len(lost) != 0 {
			t.Errorf("%+v", lost)
		}
	})
	t.Run("the image's own PGDATA", func(t *testing.T) {
		f := read(strings.ReplaceAll(unmounted, "db: {image: \"postgres:15\",", "db: {image: \"example/pg:15\", volumes: [\"./pg:/bitnami/postgresql\"],"))
		if err := f.KnowImage(map[string]string{"PGDATA": "/bitnami/postgresql/data"}); err != nil {
			t.Fatal(err)
		}
		if want := filepath.Join(dir, "pg", "data"); f.Postgres.DataDir != want || len(f.Propose(Place{Dir: dir}).Lost()) != 0 {
			t.Errorf("%q, want %q: %+v", f.Postgres.DataDir, want, f.Problems)
		}
	})
}
