package libpq

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// FuzzService: a service file is somebody's, and what it says of a password is
// repeated nowhere.
func FuzzService(f *testing.F) {
	f.Add("odoo", "[odoo]\nhost=db\nport=5432\npassword=s3cret\n")
	f.Add("odoo", "# c\n[other]\nx\n[odoo]\r\n user = a = b\n[odoo]\nhost=\n")
	f.Add("a]b", "[a]b]\nldap://x\n")
	f.Fuzz(func(t *testing.T, name, text string) {
		set, err := readService(name, text)
		if err != nil && set != nil {
			t.Errorf("both: %v %v", set, err)
		}
		for key := range set {
			if key == "" {
				t.Errorf("a key without a name: %q", set)
			}
		}
	})
}

// FuzzPassfile: so is a password file.
func FuzzPassfile(f *testing.F) {
	f.Add("*:*:*:odoo:s3cret\n", "db")
	f.Add("localhost:5432:postgres:odoo:a\\:b\\\\\n# c\n\n:::::\n", "/var/run/postgresql")
	f.Fuzz(func(t *testing.T, text, host string) {
		path := filepath.Join(t.TempDir(), "pgpass")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		o := outside{service: &service{set: map[string]string{"passfile": path}}}
		o.filedPassword(&pgconn.Config{Port: 5432, Database: "postgres", User: "odoo"}, host)
	})
}
