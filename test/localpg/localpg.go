// Package localpg runs a throwaway PostgreSQL of this machine on the loopback
// interface, for tests and for the benchmark, which has no *testing.T.
package localpg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Cluster is one data directory with a port of its own. Its superuser is
// postgres, its password Password, and every TCP connection needs one.
type Cluster struct {
	Dir, Bin string
	Port     int
	Password string

	cmd  *exec.Cmd
	done chan struct{}
	cred *syscall.Credential
}

// New makes a cluster in a new directory below parent (os.TempDir() when
// empty), not yet started. conf are additional lines of postgresql.conf.
func New(parent, bin string, conf ...string) (*Cluster, error) {
	cred, err := ServerCredential()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(parent, "pg")
	if err != nil {
		return nil, err
	}
	c := &Cluster{Dir: filepath.Join(dir, "data"), Bin: bin, Password: "admin-pw", cred: cred}
	pw := filepath.Join(dir, "pw")
	if err := os.WriteFile(pw, []byte(c.Password), 0o600); err != nil {
		return nil, err
	}
	if cred != nil {
		for _, p := range []string{dir, pw} {
			if err := os.Chown(p, int(cred.Uid), int(cred.Gid)); err != nil {
				return nil, err
			}
		}
	}
	if err := c.run("initdb", "-D", c.Dir, "-U", "postgres", "--pwfile", pw, "-A", "scram-sha-256",
		"-E", "UTF8", "--locale", "C", "--no-sync"); err != nil {
		return nil, err
	}
	if c.Port, err = FreePort(); err != nil {
		return nil, err
	}
	lines := append([]string{
		"listen_addresses = '127.0.0.1'", "port = " + strconv.Itoa(c.Port),
		"unix_socket_directories = '" + dir + "'", "fsync = off", "shared_buffers = 16MB",
	}, conf...)
	return c, c.Append("postgresql.conf", lines...)
}

// Append adds lines to a file of the data directory.
func (c *Cluster) Append(name string, lines ...string) error {
	f, err := os.OpenFile(filepath.Join(c.Dir, name), os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.WriteString(f, strings.Join(lines, "\n")+"\n")
	return err
}

// Launch starts the postmaster and returns without waiting for it.
func (c *Cluster) Launch() error {
	log, err := os.OpenFile(c.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(c.Bin, "postgres"), "-D", c.Dir)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = filepath.Dir(c.Dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.cred, Setsid: true, Pdeathsig: syscall.SIGKILL}
	if c.cred == nil {
		cmd.SysProcAttr.Credential = nil
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	c.cmd, c.done = cmd, make(chan struct{})
	go func() { cmd.Wait(); close(c.done) }()
	return nil
}

// Start launches and waits until the server answers over TCP.
func (c *Cluster) Start() error {
	if err := c.Launch(); err != nil {
		return err
	}
	return c.WaitReady(20 * time.Second)
}

// WaitReady waits until the server accepts connections. It says so in line 8 of
// postmaster.pid, which is what pg_ctl --wait reads. Asking with pg_isready would
// start a process each time.
func (c *Cluster) WaitReady(limit time.Duration) error {
	end := time.Now().Add(limit)
	for time.Now().Before(end) {
		if c.ready() {
			return nil
		}
		select {
		case <-c.done:
			log, _ := os.ReadFile(c.LogFile())
			return fmt.Errorf("PostgreSQL ended: %s", log)
		case <-time.After(10 * time.Millisecond):
		}
	}
	return errors.New("PostgreSQL did not come up")
}

// ready is whether the server that Launch started accepts connections: the file
// may be of one that was killed.
func (c *Cluster) ready() bool {
	data, err := os.ReadFile(filepath.Join(c.Dir, "postmaster.pid"))
	lines := strings.Split(string(data), "\n")
	if err != nil || len(lines) < 8 || lines[0] != strconv.Itoa(c.cmd.Process.Pid) {
		return false
	}
	status := strings.TrimSpace(lines[7])
	return status == "ready" || status == "standby"
}

// Stop sends a signal to the postmaster (SIGINT is a fast shutdown, SIGQUIT an
// immediate one) and waits for its end.
func (c *Cluster) Stop(sig syscall.Signal) error {
	if c.cmd == nil {
		return nil
	}
	// One that is frozen hears nothing.
	c.cmd.Process.Signal(syscall.SIGCONT)
	if err := c.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-c.done:
		c.cmd = nil
		return nil
	case <-time.After(30 * time.Second):
		return errors.New("PostgreSQL did not stop")
	}
}

// Remove stops the server and deletes everything.
func (c *Cluster) Remove() {
	c.Stop(syscall.SIGQUIT)
	os.RemoveAll(filepath.Dir(c.Dir))
}

// SQL runs statements as the superuser through psql, over TCP.
func (c *Cluster) SQL(database string, statements ...string) (string, error) {
	args := []string{"-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", strconv.Itoa(c.Port), "-U", "postgres", "-d", database}
	for _, s := range statements {
		args = append(args, "-c", s)
	}
	psql, err := c.client("psql")
	if err != nil {
		return "", err
	}
	cmd := exec.Command(psql, args...)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+c.Password, "PGOPTIONS=", "PGSSLMODE=prefer")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("psql: %w: %s", err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// SocketDir is where the server's Unix socket is.
func (c *Cluster) SocketDir() string { return filepath.Dir(c.Dir) }

// LogFile is the server's log.
func (c *Cluster) LogFile() string { return filepath.Join(filepath.Dir(c.Dir), "server.log") }

func (c *Cluster) run(program string, args ...string) error {
	path, err := c.client(program)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = filepath.Dir(c.Dir)
	if c.cred != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.cred}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, out)
	}
	return nil
}

// ServerCredential is whom the server runs as: PostgreSQL refuses root.
func ServerCredential() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL refuses to run as root, and there is no user postgres: %w", err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
