package foreign

import (
	"slices"
	"testing"
)

// TestLoginOfImage: an image may set the login; what the file says wins.
func TestLoginOfImage(t *testing.T) {
	for name, tt := range map[string]struct{ environment, user, password string }{
		"the image's": {"{}", "shop", "of the image"},
		"the file's":  {"{DB_PASSWORD: of the file}", "shop", "of the file"},
	} {
		t.Run(name, func(t *testing.T) {
			f := readText(t, `
services:
  odoo: {image: "example/odoo:17.0", environment: `+tt.environment+`}
  db: {image: "postgres:15", environment: {POSTGRES_USER: postgres, POSTGRES_PASSWORD: pw}, volumes: ["./pg:/var/lib/postgresql/data"]}
`, nil)
			if err := f.Use("db", "odoo"); err != nil {
				t.Fatal(err)
			}
			if err := f.KnowOdooImage(map[string]string{"DB_HOST": "db", "DB_USER": "shop", "DB_PASSWORD": "of the image", "PATH": "/bin"}); err != nil {
				t.Fatal(err)
			}
			vars := f.Propose(Place{Dir: f.Dir}).Vars
			for key, want := range map[string]string{"POSTGRES_ODOO_USER": tt.user, "POSTGRES_ODOO_PASS": tt.password} {
				if !slices.ContainsFunc(vars, func(v Var) bool { return v.Key == key && v.Value == want }) {
					t.Errorf("%s=%s is not proposed: %v", key, want, vars)
				}
			}
		})
	}
}
