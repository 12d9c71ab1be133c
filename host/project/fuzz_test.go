package project_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/odpm/odpm/host/project"
)

// FuzzLoad: what people write in .env, odpm.json, user_settings.json and
// odoo.conf gives a project, or errors that name file and key.
func FuzzLoad(f *testing.F) {
	f.Add("POSTGRES_PORT=5433\n", `{"postgres_version": "15", "odoo_version": "18.0"}`, `{"init_modules": ["base"]}`, "[options]\ndb_user = odoo\n")
	f.Add("# c\nexport ODOO_IMAGE='a b'\nX=${Y:-z}\n", `{"manifest_schema": 2, "postgres": {"version": 15}}`, `{"db_manager_password": "$PW"}`, "")
	f.Add("ODPM_COMPOSE_PREFIX=acme-\nPOSTGRES_BIND=::1\n", `{"postgres_version": "9.6"}`, `[]`, "[options]\ndb_port = x\n")
	f.Fuzz(func(t *testing.T, env, manifest, settings, conf string) {
		dir := t.TempDir()
		for name, text := range map[string]string{".env": env, "odpm.json": manifest, "user_settings.json": settings, "odoo.conf": conf} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		p, err := project.Load(dir, []string{"HOME=" + dir}, dir)
		if err == nil && p.PostgresMajor < 1 {
			t.Errorf("a project without a major of PostgreSQL: %+v", p)
		}
		var many project.Errors
		if errors.As(err, &many) && len(many) == 0 {
			t.Error("an error that names nothing")
		}
	})
}
