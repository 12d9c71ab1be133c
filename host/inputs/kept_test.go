package inputs

import (
	"os"
	"path/filepath"
	"testing"
)

// If odpm cannot read how Odoo gets its password, and Odoo logs in as the role of
// POSTGRES_USER, POSTGRES_PASSWORD is its password. odpm used to change that role's.
func TestKeptPassword(t *testing.T) {
	for name, tt := range map[string]struct{ env, password, source string }{
		"no variable that odpm knows": {"{SHOP_DATABASE: 'postgres://odoo:devpass@db/shop'}", "devpass", "the compose file"},
		"DB_PASS":                     {"{DB_HOST: db, DB_USER: odoo, DB_PASS: other}", "other", "the compose file"},
		"another role":                {"{HOST: db, USER: erp}", "odoo", "default"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range map[string]string{
				".env":      "ODPM_COMPOSE=keep\n",
				"odpm.json": `{"postgres_version": "16", "odoo_version": "17.0", "platform_name": "odoo"}`,
				"docker-compose.yml": `
services:
  db: {image: "postgres:16", environment: {POSTGRES_USER: odoo, POSTGRES_PASSWORD: devpass}, volumes: ["./pg:/var/lib/postgresql/data"]}
  odoo: {image: "shop/odoo:17.0", environment: ` + tt.env + `, volumes: ["./data/odoo:/var/lib/odoo"]}
`,
			} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			in, err := Read(t.Context(), dir, nil, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if p := in.Project; p.AppPassword != tt.password || p.AppPasswordSource != tt.source {
				t.Errorf("%s of %s", p.AppPassword, p.AppPasswordSource)
			}
			if in.Wanted(true).Unsaid != (tt.source == "default") {
				t.Errorf("unsaid: %v", in.Wanted(true).Unsaid)
			}
		})
	}
}
