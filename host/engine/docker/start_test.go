package docker_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engine/docker"
	"github.com/odpm/odpm/host/engine/enginetest"
)

// change rewrites the project's compose file.
func change(t *testing.T, o docker.Options, old, new string) {
	t.Helper()
	text, err := os.ReadFile(o.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("%q is not in the compose file", old)
	}
	write(t, o, strings.Replace(string(text), old, new, 1))
}

// A container that gives up is told at once, with what it said, and with a
// restart policy too.
func TestStartSaysWhyItEnded(t *testing.T) {
	for name, policy := range map[string]string{"no restart": "", "restart always": "    restart: always\n"} {
		t.Run(name, func(t *testing.T) {
			o := project(t)
			if err := os.WriteFile(filepath.Join(o.DataDir, "PG_VERSION"), []byte("13\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			change(t, o, "    ports:", policy+"    ports:")
			// Without that it waits until limit's end, for a server that never answers.
			err := docker.New(o).Start(limit(t))
			if err == nil || !strings.Contains(err.Error(), "ended while starting") || !strings.Contains(err.Error(), "incompatible with server") && !strings.Contains(err.Error(), "postgresql.conf") {
				t.Errorf("%v", err)
			}
		})
	}
}

// A power cut leaves postmaster.pid without its content, and PostgreSQL never
// starts beside it, however often Docker tries.
func TestStartBesideAnEmptyPidFile(t *testing.T) {
	ctx := limit(t)
	o := project(t)
	var said []string
	o.Notify = func(line string) { said = append(said, line) }
	e := docker.New(o)
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	for name, policy := range map[string]string{"no restart": "", "restart always": "    restart: always\n"} {
		if err := e.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		pid := filepath.Join(o.DataDir, "postmaster.pid")
		if err := os.WriteFile(pid, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		change(t, o, "    ports:", policy+"    ports:")
		said = nil
		if err := e.Start(ctx); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if s, err := e.Status(ctx); err != nil || !s.Ready || !strings.Contains(strings.Join(said, ""), "empty postmaster.pid") {
			t.Errorf("%s: %+v %v %q", name, s, err, said)
		}
	}
	// One with a pid in it is PostgreSQL's own affair.
	if err := e.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(o.DataDir, "postmaster.pid"), []byte("no pid\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(ctx); err == nil || !strings.Contains(err.Error(), "bogus data in lock file") {
		t.Errorf("another content: %v", err)
	}
}

func TestStartErrors(t *testing.T) {
	o := project(t)
	change(t, o, image, "odpm-test-there-is-no-such-image:1")
	if err := docker.New(o).Start(limit(t)); err == nil || !strings.Contains(err.Error(), "odpm-test-there-is-no-such-image") {
		t.Errorf("no image: %v", err)
	}
	o = project(t)
	change(t, o, "    volumes:", "    volums:")
	if err := docker.New(o).Start(limit(t)); err == nil || !strings.Contains(err.Error(), "volums") {
		t.Errorf("a broken file: %v", err)
	}
	o = project(t)
	if err := os.Remove(o.DataDir); err != nil {
		t.Fatal(err)
	}
	if err := docker.New(o).Start(limit(t)); err == nil || !strings.Contains(err.Error(), o.DataDir) {
		t.Errorf("no directory: %v", err)
	}
}

// deadline is one that passes when the test says so, however busy the machine is.
type deadline struct {
	context.Context
	passed chan struct{}
}

func (d deadline) Done() <-chan struct{} { return d.passed }

func (d deadline) Err() error {
	select {
	case <-d.passed:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// A recovery that takes longer than we may wait is told as such.
func TestStartTellsOfRecovery(t *testing.T) {
	ctx := limit(t)
	o := project(t)
	var told []string
	short := deadline{ctx, make(chan struct{})}
	o.Notify = func(line string) {
		if told = append(told, line); len(told) == 1 {
			close(short.passed)
		}
	}
	e := docker.New(o)
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	conn := enginetest.Connect(t, e)
	for _, sql := range []string{
		`ALTER SYSTEM SET checkpoint_timeout = '1h'`, `ALTER SYSTEM SET max_wal_size = '10GB'`, `SELECT pg_reload_conf()`,
		`CREATE TABLE t AS SELECT n, repeat('x', 200) AS x FROM generate_series(1, 300000) n`, `CREATE INDEX ON t (x)`, `CREATE INDEX ON t (n)`,
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "kill", "-s", "KILL", container(t, o))
	// The startup process is held up, so that the replay lasts as long as the
	// test wants: recovery of a big cluster, in small.
	run(t, "start", container(t, o))
	stopped := false
	for end := time.Now().Add(time.Minute); !stopped && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		stopped = exec.Command("docker", "exec", "-u", "postgres", container(t, o), "sh", "-c", `pkill -STOP -f '^[p]ostgres: startup'`).Run() == nil
	}
	if !stopped {
		t.Fatal("the startup process was not there to be held up")
	}
	err := e.Start(short)
	if err == nil || !strings.Contains(err.Error(), "still recovering after a crash") || !strings.Contains(err.Error(), "docker logs -f ") {
		t.Errorf("%v", err)
	}
	if len(told) != 1 || !strings.Contains(told[0], "recovering") {
		t.Errorf("told: %q", told)
	}
	if s, err := e.Status(ctx); err != nil || !s.Running || s.Ready {
		t.Errorf("%+v %v", s, err)
	}
	run(t, "exec", "-u", "postgres", container(t, o), "pkill", "-CONT", "-f", "^[p]ostgres: startup")
	if err := e.Start(ctx); err != nil {
		t.Error(err)
	}
}

func TestStartOfAPausedContainer(t *testing.T) {
	ctx := limit(t)
	o := project(t)
	e := docker.New(o)
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	pause(t, container(t, o))
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if s, err := e.Status(ctx); err != nil || !s.Ready {
		t.Errorf("%+v %v", s, err)
	}
}

// user: in the compose file is a bare number to the image.
func TestForeignUser(t *testing.T) {
	ctx := limit(t)
	o := project(t)
	if err := os.Chown(o.DataDir, 4321, 4321); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(o.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	change(t, o, "    ports:", "    user: '4321:4321'\n    ports:")
	// Docker gives an empty volume the owner that the image's directory has.
	change(t, o, "postgres-data:/var", o.DataDir+":/var")
	e := docker.New(o)
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	conn := enginetest.Connect(t, e)
	conn.Close(ctx)
	if err := e.Command(ctx, engine.Command{Argv: []string{"psql", "-U", "postgres", "-c", "SELECT 1"}}); err != nil {
		t.Error(err)
	}
	if err := e.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if out, err := e.SingleUser(ctx, "CREATE ROLE single LOGIN;"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := e.SingleUser(ctx, "CREATE ROLE single LOGIN;"); err == nil || !strings.Contains(out, "already exists") {
		t.Errorf("%v\n%s", err, out)
	}
	if f := datadir.Look(o.DataDir, 15); f.UID != 4321 {
		t.Errorf("the data changed hands: %+v", f)
	}
}

// Single-user mode before there is a container: the data alone are mounted.
func TestSingleUserWithoutAContainer(t *testing.T) {
	ctx := limit(t)
	o := project(t)
	e := docker.New(o)
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := e.StopService(ctx, o.Service); err != nil {
		t.Fatal(err)
	}
	if out, err := e.SingleUser(ctx, "CREATE ROLE single LOGIN;"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := enginetest.Connect(t, e).QueryRow(ctx, "SELECT count(*) FROM pg_roles WHERE rolname = 'single'").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d %v", n, err)
	}
}

// An anonymous volume under somebody's compose file: the container knows it.
func TestAnonymousVolume(t *testing.T) {
	ctx := limit(t)
	o := project(t)
	o.DataDir, o.VolumeName = "", ""
	write(t, o, fmt.Sprintf("services: {db: {image: '%s', environment: {POSTGRES_PASSWORD: x}}}", image))
	e := docker.New(o)
	if f, err := e.Look(ctx); err != nil || f.State != datadir.Missing {
		t.Errorf("%+v %v", f, err)
	}
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if h := held(t, e, o.Project+"-db-1"); !h.Own {
		t.Errorf("%+v", h)
	}
	if f, err := e.Look(ctx); err != nil || f.State != datadir.Initialised || f.Major != 15 {
		t.Errorf("%+v %v", f, err)
	}
	if err := e.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if out, err := e.SingleUser(ctx, "CREATE ROLE single LOGIN;"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	run(t, "compose", "-p", o.Project, "-f", o.Files[0], "rm", "-f", "-v", "db")
}

// A server whose configuration has another port and socket directory than
// psql in its container looks for.
func TestServerElsewhere(t *testing.T) {
	o := project(t)
	e := docker.New(o)
	if err := e.Start(limit(t)); err != nil {
		t.Fatal(err)
	}
	if err := e.Stop(limit(t)); err != nil {
		t.Fatal(err)
	}
	change(t, o, "    ports:", "    command: postgres -c port=5433 -c unix_socket_directories=/tmp\n    ports:")
	if err := e.Start(limit(t)); err != nil {
		t.Fatal(err)
	}
	enginetest.Connect(t, e).Close(limit(t))
	enginetest.PrintedPsql(t, enginetest.Subject{PG: e, Dir: o.Dir})
}
