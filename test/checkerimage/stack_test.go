package checkerimage

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/odpm/odpm/shared/handoff"
	"github.com/odpm/odpm/shared/snapshot"
)

// network is one for a test, with PostgreSQL as "db".
type network struct{ name, db string }

var count atomic.Int32

func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{name: fmt.Sprintf("odpm-checker-%d-%d", os.Getpid(), count.Add(1))}
	docker(t, "network", "create", n.name)
	t.Cleanup(func() { try("network", "rm", n.name) })
	return n
}

// postgres starts PostgreSQL 15 with the role acme, and waits. The role is
// there before the server accepts logins: a checker that is told that it is
// missing does not wait for it.
func (n *network) postgres(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	os.Chmod(filepath.Dir(dir), 0o755)
	os.Chmod(dir, 0o755)
	write(t, filepath.Join(dir, "role.sql"), "CREATE ROLE acme LOGIN CREATEDB PASSWORD 'secret'")
	n.db = docker(t, "run", "--detach", "--pull", "never", "--network", n.name, "--network-alias", "db", "-e", "POSTGRES_PASSWORD=x",
		"-v", dir+":/docker-entrypoint-initdb.d:ro", "postgres:15")
	t.Cleanup(func() { try("rm", "--force", "--volumes", n.db) })
	until(t, "PostgreSQL", func() bool { _, err := try("exec", n.db, "pg_isready", "-q", "-h", "127.0.0.1"); return err == nil })
}

// odoo starts the image with the checker in front of Odoo.
func (n *network) odoo(t *testing.T, args ...string) string {
	t.Helper()
	id := docker(t, append([]string{"run", "--detach", "--pull", "never", "--network", n.name}, args...)...)
	t.Cleanup(func() { try("rm", "--force", "--volumes", id) })
	return id
}

func logs(id string) string { out, _ := try("logs", id); return out }

func state(t *testing.T, id, field string) string {
	t.Helper()
	return docker(t, "inspect", "--format", "{{.State."+field+"}}", id)
}

// project makes the two directories that odpm mounts, with a hand-off, for
// the uid that the image runs as.
func project(t *testing.T, uid int) (dir, id string) {
	t.Helper()
	dir = t.TempDir()
	// The way there is open for the container's user.
	for d := dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		os.Chmod(d, 0o755)
	}
	for _, name := range []string{"runtime", "database"} {
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, uid, uid); err != nil {
			t.Fatalf("%v (root is needed)", err)
		}
	}
	candidate := snapshot.Snapshot{
		Cluster:  snapshot.Cluster{AppRole: "acme"},
		Compose:  snapshot.Compose{ServiceName: "db", DataPathAbs: "/srv/pg", HostPort: 5432, ImageTag: "15"},
		OdooConf: snapshot.OdooConf{DBHost: "db", DBPort: 5432, DBUser: "acme"},
		Scenario: "developer",
	}
	id, err := handoff.Identify(&candidate, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := handoff.Save(filepath.Join(dir, "runtime"), &handoff.Handoff{Version: handoff.Version, ID: id, Candidate: candidate, OdooMajor: 18}); err != nil {
		t.Fatal(err)
	}
	return dir, id
}

func mounts(dir, mode string) []string {
	return []string{"-v", dir + "/runtime:" + handoff.RuntimeDir + ":ro", "-v", dir + "/database:" + handoff.DatabaseDir + mode}
}

var login = []string{"-e", "HOST=db", "-e", "USER=acme", "-e", "PASSWORD=secret"}

// TestInFrontOfOdoo: the container is started before its database, waits,
// records, and is Odoo: process 1, stopped by docker stop.
func TestInFrontOfOdoo(t *testing.T) {
	n := newNetwork(t)
	dir, id := project(t, 101)
	args := append(mounts(dir, ""), login...)
	odoo := n.odoo(t, append(args, "-e", handoff.EnvID+"="+id, odooImage)...)
	until(t, "the reason for waiting", func() bool { return strings.Contains(logs(odoo), "reason=dns") })
	n.postgres(t)
	until(t, "Odoo", func() bool { return strings.Contains(logs(odoo), "HTTP service") }, odoo)
	if text := logs(odoo); !strings.Contains(text, "baseline=recorded") || strings.Contains(text, "secret") {
		t.Error(text)
	}
	if first := docker(t, "exec", odoo, "cat", "/proc/1/cmdline"); !strings.Contains(first, "odoo") || strings.Contains(first, "checker") {
		t.Errorf("process 1 is %q", first)
	}
	path := filepath.Join(dir, "database", snapshot.FileName)
	s, err := snapshot.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	identifier := docker(t, "exec", n.db, "psql", "-XAtU", "postgres", "-c", "SELECT system_identifier FROM pg_control_system()")
	if s.HandoffID != id || s.Cluster.PGMajor != 15 || s.Cluster.SystemIdentifier != identifier || s.Compose.ServiceName != "db" {
		t.Errorf("%+v", s)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; uid != 101 {
		t.Errorf("last_run.json belongs to %d", uid)
	}
	// One that does not end by itself is killed after ten seconds: 137.
	docker(t, "stop", odoo)
	if code := state(t, odoo, "ExitCode"); code != "0" {
		t.Errorf("docker stop: exit code %s", code)
	}

	// The project moves on; the old container restarts and proves nothing.
	os.Remove(path)
	data, _ := os.ReadFile(filepath.Join(dir, "runtime", handoff.FileName))
	h, err := handoff.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	h.ID = strings.Repeat("0", 32)
	if err := handoff.Save(filepath.Join(dir, "runtime"), h); err != nil {
		t.Fatal(err)
	}
	docker(t, "start", odoo)
	until(t, "Odoo again", func() bool { return strings.Count(logs(odoo), "HTTP service") == 2 }, odoo)
	if _, err := os.Stat(path); !os.IsNotExist(err) || !strings.Contains(logs(odoo), "baseline=stale") {
		t.Errorf("%v\n%s", err, logs(odoo))
	}
}

// TestBaselineMounts: what cannot be written is a warning, unless demanded.
func TestBaselineMounts(t *testing.T) {
	n := newNetwork(t)
	n.postgres(t)
	run := func(dir, mode, id string, more ...string) (string, int) {
		args := append([]string{"--network", n.name, "-e", handoff.EnvID + "=" + id}, append(mounts(dir, mode), login...)...)
		return once(t, append(append(args, more...), odooImage, "odoo", "--stop-after-init", "-d", "postgres")...)
	}
	dir, id := project(t, 101)
	if out, code := run(dir, ":ro", id); code != 0 || !strings.Contains(out, "mounted read-only") || !strings.Contains(out, "baseline=failed") {
		t.Errorf("%d %s", code, out)
	}
	if out, code := run(dir, ":ro", id, "-e", "ODPM_REQUIRE_BASELINE=1"); code != 73 {
		t.Errorf("%d %s", code, out)
	}
	dir, id = project(t, 0)
	if out, code := run(dir, "", id); code != 0 || !strings.Contains(out, "chown 101 .odpm/database") {
		t.Errorf("%d %s", code, out)
	}
}

// TestRefusedInTheContainer: the exit code is the container's.
func TestRefusedInTheContainer(t *testing.T) {
	n := newNetwork(t)
	n.postgres(t)
	out, code := once(t, "--network", n.name, "-e", "USER=acme", "-e", "PASSWORD=wrong-secret", odooImage)
	if code != 77 || !strings.Contains(out, "sqlstate=28P01") || !strings.Contains(out, "odpm database ensure-role") || strings.Contains(out, "wrong-secret") {
		t.Errorf("%d %s", code, out)
	}
}

// TestStopWhileWaiting: docker stop does not have to wait for its patience.
func TestStopWhileWaiting(t *testing.T) {
	n := newNetwork(t)
	odoo := n.odoo(t, append(login, odooImage)...)
	until(t, "waiting", func() bool { return strings.Contains(logs(odoo), "waiting:") })
	// One that does not end by itself is killed after ten seconds: 137.
	docker(t, "stop", odoo)
	if code := state(t, odoo, "ExitCode"); code != "143" {
		t.Errorf("exit code %s", code)
	}
}
