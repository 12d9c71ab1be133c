package inputs_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/odpm/odpm/host/inputs"
)

const manifest = `{"postgres_version": "15", "odoo_version": "18.0"}`

// read makes a project of files and reads it; odpm.json is there unless it is
// among them.
func read(t *testing.T, files map[string]string) (*inputs.Inputs, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shop")
	if files["odpm.json"] == "" {
		files["odpm.json"] = manifest
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return inputs.Read(context.Background(), dir, nil, t.TempDir())
}

func mustRead(t *testing.T, files map[string]string) *inputs.Inputs {
	t.Helper()
	in, err := read(t, files)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// TestDataName: the same words lock and name the data.
func TestDataName(t *testing.T) {
	for env, want := range map[string][2]string{
		"POSTGRES_DATA_DIR=pg\n":          {"DIR/pg", "DIR/pg"},
		"POSTGRES_DATA_DIR=volume:data\n": {"volume data", "/volume/data"},
		"ODPM_POSTGRES=external\n":        {"", ""},
	} {
		in := mustRead(t, map[string]string{".env": env, "odoo.conf": "[options]\ndb_host = db.example\n"})
		got := [2]string{in.DataName(), in.LockTarget()}
		for i := range got {
			got[i] = strings.Replace(got[i], in.Project.Dir, "DIR", 1)
		}
		if in.Project.External {
			got[0] = ""
		}
		if got != want {
			t.Errorf("%q: %q, wanted %q", env, got, want)
		}
	}
}

func TestExternalAddress(t *testing.T) {
	for conf, want := range map[string]string{
		"db_host = pg.example\ndb_port = 6000\n": "pg.example 6000",
		"db_host = pg.example\n":                 "pg.example 5432",
		"db_host = False\n":                      " 5432",
	} {
		in := mustRead(t, map[string]string{".env": "ODPM_POSTGRES=external\n", "odoo.conf": "[options]\n" + conf})
		host, port := in.ExternalAddress()
		if got := host + " " + strconv.Itoa(port); got != want {
			t.Errorf("%q: %q, wanted %q", conf, got, want)
		}
	}
}

// TestAdministrator: what the URL says is followed or refused, and a refusal
// never shows it.
func TestAdministrator(t *testing.T) {
	for text, want := range map[string]any{
		"":                            inputs.Administrator{},
		"postgresql://admin:s3cret@x": inputs.Administrator{User: "admin", Password: "s3cret"},
		"postgres://a%40b:p%2Fq@x":    inputs.Administrator{User: "a@b", Password: "p/q"},
		"postgresql://a:s3cret@x?sslmode=verify-full": inputs.Administrator{User: "a", Password: "s3cret", SSLMode: "verify-full"},
		"postgresql://a:s3cret@x?sslrootcert=f":       "does not support",
		"mysql://a:s3cret@x":                          "not a URL of the form",
		"admin:s3cret":                                "not a URL of the form",
		"postgresql://x/s3cret":                       "not a URL of the form",
	} {
		in, err := read(t, map[string]string{".env": "ODPM_POSTGRES=external\nODPM_POSTGRES_ADMIN_URL='" + text + "'\n", "odoo.conf": "[options]\ndb_host = db.example\n"})
		if says, refused := want.(string); refused {
			if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got, err := in.Administrator()
		if err != nil || got != want {
			t.Errorf("%q: %+v %v", text, got, err)
		}
	}
}

// TestOverride: what changes the data or leaves the checker out is a conflict,
// everything else is the person's.
func TestOverride(t *testing.T) {
	for _, c := range []struct{ name, yaml, conflict string }{
		{"nothing of ours", "services:\n  mail:\n    image: mail\n", ""},
		{"an environment", "services:\n  odoo:\n    environment: {A: b}\n", ""},
		{"a configuration file", "services:\n  db:\n    volumes: [\"./x.conf:/etc/x.conf\"]\n", ""},
		{"a directory below", "services:\n  db:\n    volumes: [\"./wal:/var/lib/postgresql/data/pg_wal\"]\n", ""},
		{"a minor version", "services:\n  db:\n    image: postgres:15.6\n", ""},
		{"another major", "services:\n  db:\n    image: postgres:16\n", "PostgreSQL 16"},
		{"other data", "services:\n  db:\n    volumes: [\"./other:/var/lib/postgresql/data\"]\n", "data other than"},
		{"another PGDATA", "services:\n  db:\n    environment: {PGDATA: /srv/pg}\n", "sets PGDATA"},
		{"the same PGDATA", "services:\n  db:\n    environment: {PGDATA: /var/lib/postgresql/data/}\n", ""},
		{"another image of Odoo", "services:\n  odoo:\n    image: mine:1\n", "takes the place"},
		{"a build of Odoo", "services:\n  odoo:\n    build: .\n", "takes the place"},
		{"an entrypoint", "services:\n  odoo:\n    entrypoint: [/mine.sh]\n", "leaves out odpm-checker"},
		{"an entrypoint around the checker", "services:\n  odoo:\n    entrypoint: [sh, -c, \"exec odpm-checker -- odoo\"]\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := mustRead(t, map[string]string{"docker-compose.override.yml": c.yaml})
			var got []string
			for _, conflict := range in.Conflicts {
				got = append(got, conflict.What)
				if len(conflict.Ways) == 0 {
					t.Errorf("%s: nothing says what to do", conflict.What)
				}
			}
			if text := strings.Join(got, "\n"); c.conflict == "" && text != "" || !strings.Contains(text, c.conflict) {
				t.Errorf("%q, wanted %q", text, c.conflict)
			}
		})
	}
}

// TestSSLMode: of two demands the stricter one counts, by Odoo's own rules of
// what it reads.
func TestSSLMode(t *testing.T) {
	for _, c := range []struct{ name, version, conf, odoo, want string }{
		{"nothing", "18.0", "", "", "prefer"},
		{"odoo.conf", "18.0", "db_sslmode = require", "", "require"},
		{"command line before odoo.conf", "18.0", "db_sslmode = require", "command: [odoo, --db_sslmode=verify-ca]", "verify-ca"},
		{"two words", "18.0", "", "command: [odoo, --db_sslmode, verify-full]", "verify-full"},
		{"PGSSLMODE before 19 is not read", "18.0", "", "environment: {PGSSLMODE: require}", "prefer"},
		{"PGSSLMODE from 19 on", "19.0", "", "environment: {PGSSLMODE: require}", "require"},
		{"False leaves it to libpq", "18.0", "db_sslmode = False", "environment: {PGSSLMODE: require}", "require"},
		{"the checker's demand", "18.0", "db_sslmode = require", "environment: {ODPM_DB_SSLMODE: verify-full}", "verify-full"},
		{"a weaker one of the checker's", "18.0", "db_sslmode = verify-full", "environment: {ODPM_DB_SSLMODE: allow}", "verify-full"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{"odpm.json": `{"postgres_version": "15", "odoo_version": "` + c.version + `"}`, "odoo.conf": "[options]\n" + c.conf + "\n"}
			if c.odoo != "" {
				files["docker-compose.override.yml"] = "services:\n  odoo:\n    " + c.odoo + "\n"
			}
			if got := mustRead(t, files).SSLMode(true); got != c.want {
				t.Errorf("%s, wanted %s", got, c.want)
			}
		})
	}
}

// TestFiles: the override is named beside odpm's own file, and COMPOSE_FILE is
// answered with a warning.
func TestFiles(t *testing.T) {
	in := mustRead(t, map[string]string{"compose.override.yaml": "services: {}\n", ".env": "COMPOSE_FILE=other.yml\n"})
	var names []string
	for _, f := range in.ComposeFiles {
		names = append(names, in.Rel(f))
	}
	if diff := cmp.Diff([]string{"docker-compose.yml", "compose.override.yaml"}, names); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(strings.Join(in.Warnings, "\n"), "COMPOSE_FILE=other.yml is not followed") {
		t.Errorf("%q", in.Warnings)
	}
}
