package setup

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/apply"
	"github.com/odpm/odpm/host/look"
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
	o := unattended(t, filepath.Join(t.TempDir(), "refusedlater"), map[string]string{
		"docker-compose.yml": `
services:
  odoo: {image: "odoo:17.0", environment: {HOST: db, USER: a, PASSWORD: b}, volumes: ["./files:/var/lib/odoo", "./odoo.conf:/etc/odoo/odoo.conf"]}
  db: {image: "postgres:15", environment: {POSTGRES_USER: a, POSTGRES_PASSWORD: b}, volumes: ["./pg:/var/lib/postgresql/data"]}
`,
		"odoo.conf": "[options]\ndb_host = 192.0.2.7\n",
	})
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
	if !errors.As(err, &r) || !strings.Contains(r.What, "192.0.2.7") || !strings.HasSuffix(r.What, "Nothing more was done.") {
		t.Fatalf("%v", err)
	}
	if _, err := os.Stat(filepath.Join(o.Dir, ".env")); err != nil {
		t.Error(err)
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
