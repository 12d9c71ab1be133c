package compose

import (
	"context"
	"os"
	"path/filepath"
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
