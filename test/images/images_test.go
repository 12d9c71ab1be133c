// Package images holds the stand-ins to what odpm relies on. It passes with
// the official images too, which is how the stand-ins are kept honest.
package images

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/test/localpg"
)

func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := try(args...)
	if err != nil {
		t.Fatalf("docker %s: %v\n%s\n(is the image there? run: make setup)", strings.Join(args, " "), err, out)
	}
	return out
}

func try(args ...string) (string, error) {
	out, err := exec.Command("docker", args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// start runs a container until the test ends.
func start(t *testing.T, args ...string) string {
	t.Helper()
	id := docker(t, append([]string{"run", "--detach", "--pull", "never"}, args...)...)
	t.Cleanup(func() { try("rm", "--force", "--volumes", id) })
	return id
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	// Far more than a busy machine takes.
	for end := time.Now().Add(10 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: not within ten minutes", what)
}

func succeeds(args ...string) bool { _, err := try(args...); return err == nil }

func write(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPostgres(t *testing.T) {
	for _, major := range localpg.Majors {
		t.Run(fmt.Sprint(major), func(t *testing.T) { t.Parallel(); testPostgres(t, major) })
	}
}

func testPostgres(t *testing.T, major int) {
	image := fmt.Sprintf("postgres:%d", major)
	volume, data, method := "/var/lib/postgresql/data", "/var/lib/postgresql/data", "scram-sha-256"
	if major >= 18 {
		volume, data = "/var/lib/postgresql", "/var/lib/postgresql/18/docker"
	}
	if major <= 13 {
		method = "md5"
	}
	if got := docker(t, "image", "inspect", "--format", "{{.Config.Volumes}} {{.Config.Env}}", image); !strings.HasPrefix(got, "map["+volume+":{}] ") || !strings.Contains(got, "PGDATA="+data) {
		t.Errorf("volume and environment: %s", got)
	}

	// The secret is root's alone; an init script holds the first phase until it was looked at.
	dir := t.TempDir()
	secret := write(t, filepath.Join(dir, "secret"), "p w'1\n", 0o600)
	write(t, filepath.Join(dir, "init", "a.sql"), "CREATE TABLE from_script ();", 0o644)
	write(t, filepath.Join(dir, "init", "b.sh"), "until [ -e /looked/at ]; do sleep 0.1; done\n", 0o644)
	if err := os.Mkdir(filepath.Join(dir, "looked"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	id := start(t, "-v", secret+":/run/secrets/pw:ro", "-v", filepath.Join(dir, "init")+":/docker-entrypoint-initdb.d:ro", "-v", filepath.Join(dir, "looked")+":/looked:ro",
		"-e", "POSTGRES_PASSWORD_FILE=/run/secrets/pw", "-e", "POSTGRES_DB=acme", "-e", "POSTGRES_INITDB_ARGS=--data-checksums", image)
	until(t, "the first phase", func() bool {
		return succeeds("exec", id, "psql", "-U", "postgres", "-d", "acme", "-c", "TABLE pg_class LIMIT 1")
	})
	if succeeds("exec", id, "pg_isready", "-q", "-h", "127.0.0.1") {
		t.Error("the server of the first phase answers over TCP")
	}
	write(t, filepath.Join(dir, "looked", "at"), "", 0o644)
	until(t, "the server", func() bool { return succeeds("exec", id, "pg_isready", "-q", "-h", "127.0.0.1") })

	address := docker(t, "inspect", "--format", "{{.NetworkSettings.IPAddress}}", id)
	query := []string{"psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", address, "-U", "postgres", "-d", "acme",
		"-c", "CREATE EXTENSION pg_trgm", "-c", "CREATE EXTENSION unaccent", "-c", "TABLE from_script",
		"-c", "SELECT current_setting('data_checksums') || current_setting('server_version_num')::int / 10000"}
	if got := docker(t, append([]string{"exec", "-e", "PGPASSWORD=p w'1", id}, query...)...); got != fmt.Sprintf("on%d", major) {
		t.Errorf("checksums and major: %s", got)
	}
	if out, err := try("exec", "-e", "PGPASSWORD=wrong", id, "psql", "-h", address, "-U", "postgres", "-c", "SELECT 1"); err == nil || !strings.Contains(out, "password authentication failed") {
		t.Errorf("a wrong password: %v %s", err, out)
	}
	if got := docker(t, "exec", id, "tail", "-n", "1", data+"/pg_hba.conf"); got != "host all all all "+method {
		t.Errorf("last line of pg_hba.conf: %s", got)
	}
	if got := docker(t, "exec", id, "stat", "-c", "%u:%g %a", data+"/PG_VERSION"); got != "999:999 600" {
		t.Errorf("PG_VERSION: %s", got)
	}
	if got := docker(t, "exec", id, "pg_dump", "-U", "postgres", "acme"); !strings.Contains(got, "from_script") {
		t.Error("pg_dump leaves the table out")
	}
	docker(t, "restart", id)
	until(t, "the restart", func() bool { return succeeds("exec", id, "pg_isready", "-q", "-h", "127.0.0.1") })
	if logs, _ := try("logs", id); !strings.Contains(logs, "Skipping initialization") {
		t.Error("the second start does not say that it skips the initialisation")
	}
}

func TestPostgresRefuses(t *testing.T) {
	t.Parallel()
	old := t.TempDir()
	write(t, filepath.Join(old, "PG_VERSION"), "15\n", 0o644)
	for name, c := range map[string]struct{ image, mount, says string }{
		"18 over an old parent":   {"postgres:18", old + ":/var/lib/postgresql", "in 18+, these Docker images are configured"},
		"18 over an old data":     {"postgres:18", old + ":/var/lib/postgresql/data", "in 18+, these Docker images are configured"},
		"18 with an empty data":   {"postgres:18", t.TempDir() + ":/var/lib/postgresql/data", "unused mount/volume"},
		"no password":             {"postgres:15", t.TempDir() + ":/var/lib/postgresql/data", "superuser password is not specified"},
		"another major's cluster": {"postgres:17", old + ":/var/lib/postgresql/data", ""},
	} {
		args := []string{"run", "--rm", "--pull", "never", "-v", c.mount}
		if name != "no password" {
			args = append(args, "-e", "POSTGRES_PASSWORD=x")
		}
		if out, err := try(append(args, c.image)...); err == nil || !strings.Contains(out, c.says) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func TestOdoo(t *testing.T) {
	t.Parallel()
	network := docker(t, "network", "create", fmt.Sprintf("odpm-images-%d", os.Getpid()))
	t.Cleanup(func() { try("network", "rm", network) })
	db := start(t, "--network", network, "--network-alias", "db", "-e", "POSTGRES_PASSWORD=x", "postgres:15")
	until(t, "PostgreSQL", func() bool { return succeeds("exec", db, "pg_isready", "-q", "-h", "127.0.0.1") })
	docker(t, "exec", db, "psql", "-qU", "postgres", "-c", "CREATE ROLE acme LOGIN CREATEDB PASSWORD 'secret'")

	run := func(args ...string) (string, error) {
		return try(append([]string{"run", "--rm", "--pull", "never", "--network", network}, args...)...)
	}
	image := "odoo:18.0"
	if out, err := run("-e", "USER=acme", "-e", "PASSWORD=secret", image, "--", "-d", "t1", "-i", "base,no_such_module", "--stop-after-init"); err != nil || !strings.Contains(out, "invalid module names, ignored: no_such_module") {
		t.Errorf("a new database: %v\n%s", err, out)
	}
	installed := docker(t, "exec", db, "psql", "-XAtqU", "postgres", "-d", "t1", "-c", "SELECT name FROM ir_module_module WHERE state = 'installed' AND name IN ('base', 'web', 'sale') ORDER BY 1")
	if installed != "base\nweb" {
		t.Errorf("installed: %q", installed)
	}

	// A key in $ODOO_RC beats the variable.
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	conf := write(t, filepath.Join(dir, "odoo.conf"), "[options]\ndb_user = acme\ndb_password = secret\ndata_dir = /var/lib/odoo\n", 0o644)
	mount := conf + ":/etc/odoo/odoo.conf:ro"
	if out, err := run("-v", mount, "-e", "USER=nobody", "-e", "PASSWORD=wrong", image, "odoo", "neutralize", "-d", "t1"); err != nil {
		t.Errorf("neutralize: %v\n%s", err, out)
	}
	if got := docker(t, "exec", db, "psql", "-XAtqU", "postgres", "-d", "t1", "-c", "SELECT value FROM ir_config_parameter WHERE key = 'database.is_neutralized'"); got != "true" {
		t.Errorf("database.is_neutralized: %q", got)
	}
	if out, err := run("-v", mount, "--entrypoint", "odoo", image, "-r", "postgres", "--stop-after-init"); err == nil || !strings.Contains(out, "security risk, aborting") {
		t.Errorf("db_user postgres: %v\n%s", err, out)
	}
	if out, err := run(image, "id", "-u"); err != nil || !strings.HasPrefix(out, "10") {
		t.Errorf("another command: %v %s", err, out)
	}

	id := start(t, "--network", network, "-v", mount, image)
	until(t, "HTTP", func() bool { logs, _ := try("logs", id); return strings.Contains(logs, "HTTP service") })
	docker(t, "exec", id, "python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8069/web/login')")
	// One that does not end by itself is killed after ten seconds: 137.
	docker(t, "stop", id)
	if code := docker(t, "inspect", "--format", "{{.State.ExitCode}}", id); code != "0" {
		t.Errorf("SIGTERM: exit %s", code)
	}
}
