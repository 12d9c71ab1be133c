// Package legacy makes PostgreSQL clusters the way other people leave them:
// any major from 12 to 18, any bootstrap superuser, any pg_hba.conf. They run
// under the native engine, log every statement, and listen on 127.0.0.1.
package legacy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engine/native"
	"github.com/odpm/odpm/test/localpg"
)

// BootPassword is the bootstrap superuser's, unknown to odpm unless a test
// tells it.
const BootPassword = "boot-secret-7"

// OfficialHBA is what the official image's server asks of its clients: trust
// on its own socket, SCRAM from everywhere else. (It trusts 127.0.0.1 too, but
// no client outside of the container is that; here it is where clients are.)
const OfficialHBA = "local all all trust\nhost all all all scram-sha-256\n"

// Spec is how a cluster is made.
type Spec struct {
	Major int
	// Superuser is the bootstrap role, postgres when empty.
	Superuser string
	// HBA is OfficialHBA when empty.
	HBA string
	// Conf are lines of postgresql.conf.
	Conf []string
	// Parent is where its directory is made, os.TempDir() when empty.
	Parent string
	// Setup are statements that the bootstrap superuser runs, one by one.
	Setup []string
}

// Cluster is a running server.
type Cluster struct {
	*native.Engine
	Spec
	// Project is a directory of the test's own; the data is in its pg.
	Project, DataDir string
	Port             int
	// Before is what Snapshot gave after Setup.
	Before Snapshot

	bin  string
	cred *syscall.Credential
}

// New makes the cluster, breaks it as Setup says, and leaves it running.
func New(tb testing.TB, s Spec) *Cluster {
	tb.Helper()
	c := Make(tb, s)
	if err := c.start(); err != nil {
		tb.Fatalf("PostgreSQL %d: %v", s.Major, err)
	}
	return c
}

// Make is New with the server stopped and Setup not run.
func Make(tb testing.TB, s Spec) *Cluster {
	tb.Helper()
	if s.Superuser == "" {
		s.Superuser = "postgres"
	}
	if s.HBA == "" {
		s.HBA = OfficialHBA
	}
	c, err := create(s)
	if err != nil {
		tb.Fatalf("PostgreSQL %d: %v", s.Major, err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		sockets := c.socketDir()
		if err := c.Stop(ctx); err != nil {
			tb.Error(err)
		}
		if strings.HasPrefix(sockets, "/tmp/odpm-pg-") {
			os.RemoveAll(sockets)
		}
		if tb.Failed() {
			log, _ := c.Logs(ctx, 20)
			tb.Logf("the server's log:\n%s", log)
		}
		os.RemoveAll(c.Project)
	})
	return c
}

func create(s Spec) (*Cluster, error) {
	bin, err := localpg.Bin(strconv.Itoa(s.Major))
	if err != nil {
		return nil, err
	}
	cred, err := serverUser()
	if err != nil {
		return nil, err
	}
	template, err := templateOf(s.Major, s.Superuser, bin, cred)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(s.Parent, "odpm-inherited-")
	if err != nil {
		return nil, err
	}
	// The parents of t.TempDir are 0700, and the server's user has to pass.
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	c := &Cluster{Spec: s, Project: dir, DataDir: filepath.Join(dir, "pg"), bin: bin, cred: cred}
	if c.Port, err = freePort(); err != nil {
		return nil, err
	}
	at := c.ClusterDir()
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return nil, err
	}
	if out, err := exec.Command("cp", "-a", template, at).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("cp: %w: %s", err, out)
	}
	conf := append([]string{
		"fsync = off", "full_page_writes = off", "shared_buffers = 8MB", "max_connections = 20", "lc_messages = 'C'", "timezone = 'UTC'",
		// All that odpm does not switch off would be seen in the log.
		"log_statement = 'all'", "log_min_duration_statement = 0", "log_min_error_statement = 'info'", "log_connections = on",
	}, s.Conf...)
	if err := c.Append("postgresql.conf", strings.Join(conf, "\n")+"\n"); err != nil {
		return nil, err
	}
	if err := c.WriteHBA(s.HBA); err != nil {
		return nil, err
	}
	// The same place as odpm's, so that there is one log.
	state := filepath.Join(dir, ".odpm", "state")
	if err := os.MkdirAll(state, 0o755); err != nil {
		return nil, err
	}
	c.Engine = native.New(native.Options{
		DataDir: c.DataDir, Major: s.Major, Port: c.Port, StateDir: state, AppRole: "odoo", BinDir: bin,
	})
	return c, nil
}

var nextPort atomic.Int32

// freePort takes ports below those that the kernel gives to clients: this
// server is stopped and started again, and must find its port free each time.
func freePort() (int, error) {
	nextPort.CompareAndSwap(0, 15000+rand.Int32N(10000))
	for range 1000 {
		port := int(nextPort.Add(1))
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		return port, l.Close()
	}
	return 0, errors.New("no free port between 15000 and 26000")
}

// ClusterDir is where PG_VERSION is.
func (c *Cluster) ClusterDir() string {
	if c.Major >= 18 {
		return filepath.Join(c.DataDir, strconv.Itoa(c.Major), "docker")
	}
	return c.DataDir
}

// WriteHBA replaces pg_hba.conf.
func (c *Cluster) WriteHBA(text string) error {
	return os.WriteFile(filepath.Join(c.ClusterDir(), "pg_hba.conf"), []byte(text), 0o600)
}

// Append adds to a file of the data directory.
func (c *Cluster) Append(name, text string) error {
	f, err := os.OpenFile(filepath.Join(c.ClusterDir(), name), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

// start runs Setup under a trusting pg_hba.conf, so that the one wanted can
// lock everybody out.
func (c *Cluster) start() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.WriteHBA("local all all trust\n"); err != nil {
		return err
	}
	if err := c.Start(ctx); err != nil {
		return err
	}
	conn, err := engine.Connect(ctx, c, engine.Login{User: c.Superuser, Database: "postgres", ApplicationName: "setup"})
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range c.Setup {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	// On this connection, since after some of them nobody gets another one.
	if c.Before, err = snapshot(ctx, conn); err != nil {
		return err
	}
	if err := c.WriteHBA(c.HBA); err != nil {
		return err
	}
	if err := syscall.Kill(c.Pid(), syscall.SIGHUP); err != nil {
		return err
	}
	return c.hbaLoaded(ctx, conn)
}

// hbaLoaded waits until the postmaster has taken the new file, which it does
// some time after the signal.
func (c *Cluster) hbaLoaded(ctx context.Context, conn *pgx.Conn) error {
	for i := 0; i < 500; i++ {
		var done bool
		if err := conn.QueryRow(ctx, "SELECT pg_conf_load_time() > $1", c.hbaTime()).Scan(&done); err != nil {
			return err
		}
		if done {
			// The postmaster reads pg_hba.conf right after what pg_conf_load_time tells.
			time.Sleep(20 * time.Millisecond)
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return errors.New("the server did not read its pg_hba.conf again")
}

func (c *Cluster) hbaTime() time.Time {
	info, err := os.Stat(filepath.Join(c.ClusterDir(), "pg_hba.conf"))
	if err != nil {
		return time.Now()
	}
	return info.ModTime()
}

// Pid is the postmaster's, 0 when there is none.
func (c *Cluster) Pid() int {
	n, _ := strconv.Atoi(c.postmaster(0))
	return n
}

// socketDir is of the engine's making, one for each data directory.
func (c *Cluster) socketDir() string { return c.postmaster(4) }

// postmaster is a line of postmaster.pid.
func (c *Cluster) postmaster(line int) string {
	data, err := os.ReadFile(filepath.Join(c.ClusterDir(), "postmaster.pid"))
	if err != nil {
		return ""
	}
	if all := strings.Split(string(data), "\n"); line < len(all) {
		return strings.TrimSpace(all[line])
	}
	return ""
}

// Log is all that the server wrote.
func (c *Cluster) Log() string {
	data, _ := os.ReadFile(filepath.Join(c.Project, ".odpm", "state", native.LogName))
	return string(data)
}

// PSQL logs in over TCP with a password, as an oracle of its own, and runs sql.
func (c *Cluster) PSQL(role, password, database, sql string) (string, error) {
	psql, err := localpg.Client("psql", c.Major)
	if err != nil {
		return "", err
	}
	cmd := exec.Command(psql, "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", strconv.Itoa(c.Port), "-d", database, "-c", sql)
	// In the environment, where psql's own parser of options cannot touch it.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "PGUSER=" + role, "PGPASSWORD=" + password, "PGPASSFILE=/dev/null", "HOME=/nonexistent", "PGCLIENTENCODING=UTF8"}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("psql: %w: %s", err, errs.String())
	}
	return strings.TrimSpace(out.String()), nil
}

var templates struct {
	sync.Mutex
	dir  string
	made map[string]string
}

// templateOf runs initdb once for each major and superuser of a test binary.
func templateOf(major int, superuser, bin string, cred *syscall.Credential) (string, error) {
	templates.Lock()
	defer templates.Unlock()
	if templates.dir == "" {
		dir, err := os.MkdirTemp("", "odpm-inherited-templates-")
		if err != nil {
			return "", err
		}
		if err := os.Chmod(dir, 0o777); err != nil {
			return "", err
		}
		templates.dir, templates.made = dir, map[string]string{}
	}
	key := fmt.Sprintf("%d-%s", major, superuser)
	if at := templates.made[key]; at != "" {
		return at, nil
	}
	at := filepath.Join(templates.dir, strconv.Itoa(len(templates.made)))
	pw := at + ".pw"
	if err := os.WriteFile(pw, []byte(BootPassword+"\n"), 0o644); err != nil {
		return "", err
	}
	cmd := exec.Command(filepath.Join(bin, "initdb"), "-D", at, "-U", superuser, "--pwfile="+pw, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--wal-segsize=1")
	cmd.Dir, cmd.Env = "/", []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w: %s", err, out)
	}
	templates.made[key] = at
	return at, nil
}

// Main runs a package's tests and removes what they shared.
func Main(m *testing.M) {
	code := m.Run()
	CleanUp()
	os.Exit(code)
}

// CleanUp removes what the tests of a binary shared, for a TestMain of one's own.
func CleanUp() {
	if templates.dir != "" {
		os.RemoveAll(templates.dir)
	}
	if odpm.dir != "" {
		os.RemoveAll(odpm.dir)
	}
}

// serverUser is postgres where the tests run as root, whom PostgreSQL refuses.
func serverUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL refuses to run as root, and there is no user postgres; run: make setup")
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
