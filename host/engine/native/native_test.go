package native_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engine/native"
	"github.com/odpm/odpm/test/localpg"
)

// place is a directory that the server's user can reach; the parents of
// t.TempDir are 0700.
func place(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "odpm-native-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func freePort(t *testing.T) int {
	t.Helper()
	port, err := localpg.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func newEngine(t *testing.T) (*native.Engine, native.Options) {
	dir := place(t)
	o := native.Options{DataDir: filepath.Join(dir, "the pg"), Major: 15, Port: freePort(t), StateDir: dir, AppRole: "odoo",
		Password: func() (string, error) { return "boot-secret", nil }}
	e := native.New(o)
	if err := e.Available(context.Background()); err != nil {
		t.Fatalf("%v\nrun make setup", err)
	}
	t.Cleanup(func() { e.Stop(context.Background()) })
	return e, o
}

// stopped is an engine with a cluster that has run.
func stopped(ctx context.Context, t *testing.T) (*native.Engine, native.Options) {
	t.Helper()
	e, o := newEngine(t)
	startStop(ctx, t, e)
	return e, o
}

// startStop runs a server once, which makes its cluster.
func startStop(ctx context.Context, t *testing.T, e *native.Engine) {
	t.Helper()
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := e.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}

// another is an engine with a data directory of its own beside o's.
func another(t *testing.T, o native.Options) (*native.Engine, native.Options) {
	t.Helper()
	o.DataDir, o.Port = filepath.Join(o.StateDir, "pg2"), freePort(t)
	e := native.New(o)
	t.Cleanup(func() { e.Stop(context.Background()) })
	return e, o
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestNewClusterEndToEnd(t *testing.T) {
	ctx := deadline(t)
	e, o := newEngine(t)
	if s, err := e.Status(ctx); err != nil || s.Exists || s.Running {
		t.Fatalf("before: %+v %v", s, err)
	}
	t.Setenv("PGPASSWORD", "not for the server")
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(ctx); err != nil {
		t.Errorf("a second start: %v", err)
	}
	apart(t, o)
	if s, err := e.Status(ctx); err != nil || !s.Ready || !s.Running || !s.Exists {
		t.Fatalf("after: %+v %v", s, err)
	}
	if f := datadir.Look(o.DataDir, 15); f.State != datadir.Initialised || f.Major != 15 || f.SystemIdentifier == "" {
		t.Errorf("%+v", f)
	}
	if h, err := e.Holders(ctx); err != nil || len(h) != 1 || !h[0].Own {
		t.Errorf("holders: %+v %v", h, err)
	}

	// Over the socket without a password, over TCP with one only.
	conn, err := engine.Connect(ctx, e, engine.Login{User: "postgres", Database: "postgres"})
	if err != nil {
		t.Fatal(err)
	}
	var id string
	if err := conn.QueryRow(ctx, "SELECT system_identifier::text FROM pg_control_system()").Scan(&id); err != nil {
		t.Fatal(err)
	}
	if f := datadir.Look(o.DataDir, 15); f.SystemIdentifier != id {
		t.Errorf("pg_control says %s, the server %s", f.SystemIdentifier, id)
	}
	if _, err := conn.Exec(ctx, "CREATE ROLE odoo LOGIN"); err != nil {
		t.Fatal(err)
	}
	conn.Close(ctx)
	conn, err = engine.Connect(ctx, e, engine.Login{User: "odoo", Database: "postgres"})
	if err != nil {
		t.Fatalf("the application role over the socket: %v", err)
	}
	conn.Close(ctx)
	// A role of a restore's has a password of its own, and gets in with that only.
	conn, err = engine.Connect(ctx, e, engine.Login{User: "postgres", Database: "postgres"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(ctx, "CREATE ROLE odpm_loader LOGIN PASSWORD 'its own'"); err != nil {
		t.Fatal(err)
	}
	conn.Close(ctx)
	if _, err := engine.Connect(ctx, e, engine.Login{User: "odpm_loader", Database: "postgres"}); err == nil {
		t.Error("a role with a password is let in over the socket without it")
	}
	if conn, err = engine.Connect(ctx, e, engine.Login{User: "odpm_loader", Password: "its own", Database: "postgres"}); err != nil {
		t.Fatal(err)
	}
	conn.Close(ctx)
	addr, err := e.HostAddr(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pgx.Connect(ctx, "postgres://postgres:wrong@"+addr+"/postgres?sslmode=disable"); err == nil {
		t.Error("a wrong password is let in over TCP")
	}
	tcp, err := pgx.Connect(ctx, "postgres://postgres:boot-secret@"+addr+"/postgres?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	tcp.Close(ctx)

	if _, err := e.SingleUser(ctx, "SELECT 1;\n"); err == nil {
		t.Error("single-user mode on a running server")
	}
	if err := e.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if s, _ := e.Status(ctx); s.Running {
		t.Error("still running")
	}
	if _, err := e.SingleUser(ctx, "CREATE ROLE single LOGIN;\n"); err != nil {
		t.Error(err)
	}
	if out, err := e.SingleUser(ctx, "CREATE ROLE single LOGIN;\nCREATE ROLE after;\n"); err == nil || !strings.Contains(out, "already exists") {
		t.Errorf("an SQL error was not told: %v\n%s", err, out)
	}
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	conn, err = engine.Connect(ctx, e, engine.Login{User: "postgres", Database: "postgres"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var n int
	if err := conn.QueryRow(ctx, "SELECT count(*) FROM pg_roles WHERE rolname IN ('single','after')").Scan(&n); err != nil || n != 1 {
		t.Errorf("roles made in single-user mode: %d %v", n, err)
	}
}

// apart: a Ctrl-C at odpm reaches only the session of its terminal, and what a
// person has in the environment stays with odpm.
func apart(t *testing.T, o native.Options) {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(o.DataDir, "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.SplitN(string(file), "\n", 2)[0])
	if err != nil {
		t.Fatal(err)
	}
	if session, err := unix.Getsid(pid); err != nil || session != pid {
		t.Errorf("the server %d is in session %d: %v", pid, session, err)
	}
	if env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)); err != nil || strings.Contains(string(env), "not for the server") {
		t.Errorf("the server's environment: %q %v", env, err)
	}
}

// socketDir is where the running server of a data directory has its socket.
func socketDir(t *testing.T, dataDir string) string {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(dataDir, "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(file), "\n")[4]
}

// A directory for the socket that somebody else can enter is not used: who
// reaches the socket is not asked more than pg_hba.conf says.
func TestSocketDirectoryIsTheServersAlone(t *testing.T) {
	ctx := deadline(t)
	e, o := newEngine(t)
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	dir := socketDir(t, o.DataDir)
	before, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(dir)
	st := before.Sys().(*syscall.Stat_t)
	if err := errors.Join(os.Chown(dir, int(st.Uid), int(st.Gid)), os.Chmod(dir, 0o770)); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(ctx); err == nil || !strings.Contains(err.Error(), "then: rm -r "+dir) {
		t.Errorf("open to a group: %v", err)
	}
}

func TestCommand(t *testing.T) {
	ctx := deadline(t)
	e, _ := newEngine(t)
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err := e.Command(ctx, engine.Command{Argv: []string{"psql", "-XAtq", "-U", "postgres"}, Stdin: strings.NewReader("SELECT 40+2;\n"), Stdout: &out})
	if err != nil || out.String() != "42\n" {
		t.Errorf("%q %v", out.String(), err)
	}
	err = e.Command(ctx, engine.Command{Argv: []string{"psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-U", "postgres"}, Stdin: strings.NewReader("SELECT nonsense;\n")})
	var exit *engine.ExitError
	if !errors.As(err, &exit) || exit.Code != 3 || !strings.Contains(exit.Stderr, "nonsense") {
		t.Errorf("%v", err)
	}
}

func TestStartSaysWhy(t *testing.T) {
	ctx := deadline(t)
	e, o := newEngine(t)
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	second, other := another(t, o)
	if err := second.Start(ctx); err != nil {
		t.Fatal(err)
	}
	sockets := socketDir(t, other.DataDir)
	if err := second.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	other.Port = o.Port
	if err := native.New(other).Start(ctx); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("the port is taken: %v", err)
	}
	if _, err := os.Stat(sockets); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the start that failed left its socket's directory: %v", err)
	}
	other.Major = 99
	var missing *native.NotFound
	if err := native.New(other).Start(ctx); !errors.As(err, &missing) && !strings.Contains(err.Error(), "written by PostgreSQL 15") {
		t.Errorf("no such major: %v", err)
	}
}

// What PostgreSQL refuses is said before, with the command that helps.
func TestStartSaysWhoseTheDirectoryIs(t *testing.T) {
	ctx := deadline(t)
	e, o := stopped(ctx, t)
	if err := os.Chmod(o.DataDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(ctx); err == nil || !strings.Contains(err.Error(), "mode 0755") || !strings.Contains(err.Error(), "\n  chmod 700 '"+o.DataDir+"'") {
		t.Errorf("open to others: %v", err)
	}
	if err := os.Chmod(o.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		// The cluster of somebody who ran everything as root.
		if err := os.Chown(o.DataDir, 0, 0); err != nil {
			t.Fatal(err)
		}
		if err := e.Start(ctx); err == nil || !strings.Contains(err.Error(), "belongs to root") || !strings.Contains(err.Error(), "\n  sudo chown -R postgres: '"+o.DataDir+"'") {
			t.Errorf("of root: %v", err)
		}
		// A new cluster where its user cannot get to.
		home := filepath.Join(place(t), "home")
		if err := os.Mkdir(home, 0o700); err != nil {
			t.Fatal(err)
		}
		o.DataDir = filepath.Join(home, "pg")
		if err := native.New(o).Start(ctx); err == nil || !strings.Contains(err.Error(), "cannot enter "+home) {
			t.Errorf("below a directory of root's: %v", err)
		}
	}
}

// With logging_collector the reason stands in a log of the server's own.
func TestStartSaysWhyWithACollector(t *testing.T) {
	ctx := deadline(t)
	e, o := stopped(ctx, t)
	conf, err := os.OpenFile(filepath.Join(o.DataDir, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer conf.Close()
	if _, err := conf.WriteString("logging_collector = on\n"); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := e.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	wal := filepath.Join(o.DataDir, "pg_wal")
	if err := os.Rename(wal, wal+".lost"); err != nil {
		t.Fatal(err)
	}
	err = e.Start(ctx)
	if err == nil || !strings.Contains(err.Error(), "required WAL directory") {
		t.Fatalf("got %v", err)
	}
	if err := os.Rename(wal+".lost", wal); err != nil {
		t.Fatal(err)
	}
	// A start that ends before it has a log of its own does not show the last one's.
	if _, err := conf.WriteString("bogus = 1\n"); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Minute)
	if err := os.Chtimes(filepath.Join(o.DataDir, "current_logfiles"), old, old); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(ctx); err == nil || !strings.Contains(err.Error(), "bogus") || strings.Contains(err.Error(), "and in ") {
		t.Errorf("got %v", err)
	}
}

// Debian's packages keep the configuration elsewhere, and name the data
// directory in it: copied beside other data, it must not lead back.
func TestConfigurationFromElsewhere(t *testing.T) {
	ctx := deadline(t)
	e, o := stopped(ctx, t)
	path := filepath.Join(o.DataDir, "postgresql.conf")
	conf, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".elsewhere"); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(ctx); err == nil || !strings.Contains(err.Error(), "/etc/postgresql/15/NAME") {
		t.Errorf("without: %v", err)
	}
	if err := os.Rename(path+".elsewhere", path); err != nil {
		t.Fatal(err)
	}
	e2, other := another(t, o)
	startStop(ctx, t, e2)
	if err := os.WriteFile(path, append(conf, "data_directory = '"+other.DataDir+"'\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := e.SingleUser(ctx, "CREATE ROLE here;\n"); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := e.Start(short); err != nil {
		t.Fatal(err)
	}
	if len(native.ServersOn(o.DataDir)) != 1 || len(native.ServersOn(other.DataDir)) != 0 {
		t.Error("the server runs on the other directory")
	}
	conn, err := engine.Connect(ctx, e, engine.Login{User: "postgres", Database: "postgres"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var n int
	if err := conn.QueryRow(ctx, "SELECT count(*) FROM pg_roles WHERE rolname = 'here'").Scan(&n); err != nil || n != 1 {
		t.Errorf("single-user mode worked on the other directory: %d %v", n, err)
	}
}
