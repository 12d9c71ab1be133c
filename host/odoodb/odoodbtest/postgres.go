// Package odoodbtest runs a real PostgreSQL for the tests of Odoo database
// work: an engine.Remote of its own, on a socket in a temporary directory,
// with trust authentication. It is one server per test binary.
package odoodbtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/test/inherited/legacy"
)

// Superuser is the cluster's bootstrap role.
const Superuser = "postgres"

// Postgres is a running server. It implements engine.Server.
type Postgres struct {
	// Bin is the directory of the server's and the client's programs.
	Bin string
	// Socket is the directory of its Unix socket, Port the number in the socket's name.
	Socket string
	Port   int

	dir  string
	cred *syscall.Credential
}

var (
	mu     sync.Mutex
	shared *Postgres
)

// Main runs a package's tests and then stops the shared server. A package
// calls it from TestMain.
func Main(m *testing.M) {
	code := m.Run()
	mu.Lock()
	if shared != nil {
		shared.shutdown()
	}
	mu.Unlock()
	legacy.CleanUp()
	os.Exit(code)
}

// Shared gives the test binary's server and starts it on first use.
func Shared(tb testing.TB) *Postgres {
	tb.Helper()
	mu.Lock()
	defer mu.Unlock()
	if shared == nil {
		p, err := launch()
		if err != nil {
			tb.Fatalf("PostgreSQL for tests: %v", err)
		}
		shared = p
	}
	return shared
}

// binaries is the newest PostgreSQL 15 or later where Debian puts it, or
// ODPM_TEST_PGBIN.
func binaries() (string, error) {
	if d := os.Getenv("ODPM_TEST_PGBIN"); d != "" {
		return d, nil
	}
	if found, _ := filepath.Glob("/usr/lib/postgresql/15/bin/postgres"); len(found) > 0 {
		return filepath.Dir(found[0]), nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		return "", errors.New("no PostgreSQL server found in /usr/lib/postgresql; run make setup or set ODPM_TEST_PGBIN")
	}
	sort.Strings(found)
	return filepath.Dir(found[len(found)-1]), nil
}

func launch() (*Postgres, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "odpm-odoodb-")
	if err != nil {
		return nil, err
	}
	p := &Postgres{Bin: bin, dir: dir, Socket: filepath.Join(dir, "s"), Port: 5432}
	if os.Geteuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			return nil, err
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		p.cred = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	for _, d := range []string{dir, p.Socket} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
		if p.cred != nil {
			if err := os.Chown(d, int(p.cred.Uid), int(p.cred.Gid)); err != nil {
				return nil, err
			}
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "d")
	if out, err := p.exec("initdb", "-D", data, "-U", Superuser, "-A", "trust", "-N", "-E", "UTF8", "--locale=C").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	opts := "-c listen_addresses='' -c unix_socket_directories=" + p.Socket + " -c fsync=off -c full_page_writes=off -c max_prepared_transactions=5 -c wal_level=logical -c lc_messages=C -c max_connections=60"
	if out, err := p.exec("pg_ctl", "-D", data, "-w", "-t", "60", "-l", filepath.Join(dir, "log"), "-o", opts, "start").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("pg_ctl start: %w\n%s", err, out)
	}
	return p, nil
}

func (p *Postgres) exec(prog string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(p.Bin, prog), args...)
	c.Dir = "/"
	c.Env = p.env(nil)
	c.SysProcAttr = &syscall.SysProcAttr{Credential: p.cred}
	return c
}

func (p *Postgres) env(extra []string) []string {
	env := []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "PGHOST=" + p.Socket, "PGPORT=" + strconv.Itoa(p.Port), "PGUSER=" + Superuser}
	return append(env, extra...)
}

func (p *Postgres) shutdown() {
	_ = p.exec("pg_ctl", "-D", filepath.Join(p.dir, "d"), "-m", "immediate", "-w", "stop").Run()
	_ = os.RemoveAll(p.dir)
}

// Attach uses a server that another process started, for tests that run a
// second process against it.
func Attach(bin, socket string, port int) *Postgres {
	return &Postgres{Bin: bin, Socket: socket, Port: port}
}

// Kind is "native".
func (p *Postgres) Kind() string { return "native" }

// Status says that it runs.
func (p *Postgres) Status(context.Context) (engine.Status, error) {
	return engine.Status{Exists: true, Running: true, Ready: true, ID: "test"}, nil
}

// Look knows only that there is a cluster.
func (p *Postgres) Look(context.Context) (datadir.Facts, error) {
	return datadir.Facts{Path: filepath.Join(p.dir, "d"), State: datadir.Initialised, ClusterDir: "."}, nil
}

// Holders is empty.
func (p *Postgres) Holders(context.Context) ([]engine.Holder, error) { return nil, nil }

// Start does nothing: the server runs for as long as the test binary.
func (p *Postgres) Start(context.Context) error { return nil }

// Stop does nothing.
func (p *Postgres) Stop(context.Context) error { return nil }

// Dial connects to the server's socket.
func (p *Postgres) Dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", filepath.Join(p.Socket, ".s.PGSQL."+strconv.Itoa(p.Port)))
}

// Command runs a client program of the server's own version.
func (p *Postgres) Command(ctx context.Context, c engine.Command) error {
	cmd := exec.CommandContext(ctx, filepath.Join(p.Bin, c.Argv[0]), c.Argv[1:]...)
	cmd.Dir = "/"
	cmd.Env = p.env(c.Env)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Stdin, c.Stdout, c.Stderr
	cmd.WaitDelay = 5 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.cred}
	var tail bytes.Buffer
	if c.Stderr == nil {
		cmd.Stderr = &tail
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		return &engine.ExitError{Program: c.Argv[0], Code: exit.ExitCode(), Stderr: strings.TrimSpace(tail.String())}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// SingleUser is not what these tests are about.
func (p *Postgres) SingleUser(context.Context, string) (string, error) {
	return "", errors.New("the test server has no single-user mode")
}

// Serves: there is one directory.
func (p *Postgres) Serves(context.Context, string) (bool, string, error) { return true, p.dir, nil }

// AsServer and Psql are not printed here.
func (p *Postgres) AsServer(context.Context) (string, bool) { return "", false }

func (p *Postgres) Psql(_ context.Context, role string) string { return "psql -U " + role }

// HostAddr is empty: nothing listens on TCP.
func (p *Postgres) HostAddr(context.Context) (string, error) { return "", nil }

// Logs gives the end of the server's log.
func (p *Postgres) Logs(_ context.Context, n int) (string, error) {
	b, err := os.ReadFile(filepath.Join(p.dir, "log"))
	if err != nil {
		return "", err
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n"), nil
}
