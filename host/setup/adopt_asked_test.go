package setup

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/apply"
	"github.com/odpm/odpm/host/look"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/ui"
)

// An editor's container starts no Odoo: --keep waited for its login, and then called it
// running.
func TestKeepIdle(t *testing.T) {
	o := unattended(t, filepath.Join(t.TempDir(), "dev"), map[string]string{"docker-compose.yml": `
services:
  odoo: {image: "odoo:17.0", command: sleep infinity, environment: {HOST: db, USER: a, PASSWORD: b}, volumes: ["./files:/var/lib/odoo"]}
  db: {image: "postgres:15", environment: {POSTGRES_USER: a, POSTGRES_PASSWORD: b}, volumes: ["./pg:/var/lib/postgresql/data"]}
`})
	_, err := Adopt(t.Context(), o, Adoption{Keep: true})
	var r *ui.Refusal
	if !errors.As(err, &r) || !strings.Contains(r.What, "sleep infinity, which starts no Odoo") || !strings.HasPrefix(r.Ways[0], "odpm adopt docker-compose.yml  ") {
		t.Fatalf("%v", err)
	}
	// The way goes on to the question.
	_, err = Adopt(t.Context(), o, Adoption{File: "docker-compose.yml"})
	if !errors.As(err, &r) || !strings.Contains(r.What, "needs confirmation") {
		t.Fatalf("%v", err)
	}
}

// What a takeover has written by then is not denied by what comes to an end after it.
func TestTakeoverRefusedLater(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().String()
	o := unattended(t, filepath.Join(t.TempDir(), "refusedlater"), map[string]string{
		"docker-compose.yml": `
services:
  odoo: {image: "odoo:17.0", environment: {HOST: db, USER: a, PASSWORD: b}, volumes: ["./files:/var/lib/odoo"], ports: ["` + taken + `:8069"]}
  db: {image: "postgres:15", environment: {POSTGRES_USER: a, POSTGRES_PASSWORD: b}, volumes: ["./pg:/var/lib/postgresql/data"]}
`,
	})
	o.Want.Goal = plan.Odoo
	// Any program of this machine: the image is made, and nothing is started.
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o.Environ = []string{"ODPM_CHECKER=" + self}
	t.Cleanup(func() {
		made, err := exec.Command("docker", "images", "--format", "{{.Repository}}:{{.Tag}}", "odpm/refusedlater-odoo").Output()
		if err != nil || len(made) == 0 {
			t.Errorf("the image was not made: %v", err)
		}
		docker(t, "rmi", strings.Fields(string(made))[0])
	})
	_, err = Adopt(t.Context(), o, Adoption{Yes: true})
	var r *ui.Refusal
	if !errors.As(err, &r) || !strings.Contains(err.Error(), taken) || !strings.HasSuffix(r.What, "Nothing more was done.") {
		t.Fatalf("%v", err)
	}
	if _, err := os.Stat(filepath.Join(o.Dir, ".env")); err != nil {
		t.Error(err)
	}
}

// What the new project would be refused for by its files alone is found out while the
// old stack runs.
func TestRefusedBeforehand(t *testing.T) {
	stack := func(odoo, password string) string {
		return fmt.Sprintf(`
services:
  odoo: {image: "odoo:17.0", environment: {HOST: db, USER: a, PASSWORD: %s}, volumes: ["./files:/var/lib/odoo"%s]}
  db: {image: "postgres:15", environment: {POSTGRES_USER: a, POSTGRES_PASSWORD: %[1]s}, volumes: ["./pg:/var/lib/postgresql/data"]}
`, password, odoo)
	}
	for _, c := range []struct {
		name  string
		files map[string]string
		a     Adoption
		what  string
		ways  []string
	}{
		{"own conf", map[string]string{"docker-compose.yml": stack(`, "./odoo.conf:/etc/odoo/odoo.conf"`, "b"), "odoo.conf": "[options]\ndb_host = 192.0.2.7\n"}, Adoption{},
			`odoo.conf:2: db_host is "192.0.2.7"`, []string{"odpm adopt docker-compose.yml --external  ", "db_host = db in odoo.conf  "}},
		{"conf elsewhere", map[string]string{"docker-compose.yml": stack(`, "./config:/etc/odoo"`, "b"), "config/odoo.conf": "[options]\ndb_host = pg.example.com\n"}, Adoption{},
			`db_host is "pg.example.com"`, []string{"--external", "db_host = db in config/odoo.conf  "}},
		{"a password everybody knows", map[string]string{"docker-compose.yml": stack("", "odoo"), ".env": "ODPM_SCENARIO=server\n"}, Adoption{},
			"ODPM_SCENARIO=server refuses the password", []string{"POSTGRES_ODOO_PASS=", "then: odpm adopt docker-compose.yml"}},
		{"localhost of a container", map[string]string{"docker-compose.yml": stack(`, "./odoo.conf:/etc/odoo/odoo.conf"`, "b"), "odoo.conf": "[options]\ndb_host = localhost\n"}, Adoption{External: true},
			"in Odoo's container is the container itself", []string{"db_host = host.docker.internal", "then: odpm adopt docker-compose.yml --external"}},
		{"the stack's own name", map[string]string{"docker-compose.yml": stack(`, "./odoo.conf:/etc/odoo/odoo.conf"`, "b"), "odoo.conf": "[options]\ndb_host = db\n"}, Adoption{}, "", nil},
	} {
		o := unattended(t, filepath.Join(t.TempDir(), "beforehand"), c.files)
		c.a.File = "docker-compose.yml"
		if c.a.External {
			o.Environ = append(o.Environ, "ODPM_POSTGRES=external")
		}
		_, _, err := takeover(t.Context(), o, c.a)
		var r *ui.Refusal
		switch {
		case c.what == "" && err == nil:
			continue
		case !errors.As(err, &r) || !strings.Contains(r.What, c.what) || !strings.HasSuffix(r.What, "Nothing was written or stopped."):
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for i, want := range c.ways {
			if i >= len(r.Ways) || !strings.Contains(r.Ways[i], want) {
				t.Errorf("%s: ways %q, no %q", c.name, r.Ways, want)
			}
		}
	}
}

// unattended is a run without a terminal, in a directory that has these files.
func unattended(t *testing.T, dir string, files map[string]string) apply.Options {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { null.Close() })
	return apply.Options{Options: look.Options{Dir: dir, Home: t.TempDir()}, Term: ui.New(null, null, null, ui.Options{NoInput: true})}
}

// An override that is there already is read before the stack is stopped.
func TestOverrideContradicts(t *testing.T) {
	for over, want := range map[string]string{
		"services: {odoo: {build: .}}":                                      "services.odoo.build takes the place of the image with odpm-checker",
		"services: {db: {volumes: [\"./other:/var/lib/postgresql/data\"]}}": "",
		"services: {odoo: {environment: {TZ: UTC}}}":                        "",
	} {
		o := unattended(t, filepath.Join(t.TempDir(), "override"), map[string]string{"docker-compose.override.yml": over, "Dockerfile": "FROM odoo:17.0\n", "docker-compose.yml": `
services:
  odoo: {image: "odoo:17.0", environment: {HOST: db, USER: a, PASSWORD: b}, volumes: ["./files:/var/lib/odoo"]}
  db: {image: "postgres:15", environment: {POSTGRES_USER: a, POSTGRES_PASSWORD: b}, volumes: ["./pg:/var/lib/postgresql/data"]}
`})
		_, _, err := takeover(t.Context(), o, Adoption{File: "docker-compose.yml"})
		var r *ui.Refusal
		if want == "" && err == nil {
			continue
		}
		if !errors.As(err, &r) || !strings.Contains(r.What, want) || !strings.HasSuffix(r.What, "Nothing was written or stopped.") {
			t.Errorf("%s: %v", over, err)
		}
	}
}
