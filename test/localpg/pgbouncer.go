package localpg

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Pooler is a PgBouncer in front of a cluster. Roles are found by auth_query,
// as the cluster's superuser.
type Pooler struct {
	Port int

	dir  string
	cred *syscall.Credential
	cmd  *exec.Cmd
	done chan struct{}
}

// NewPooler makes and starts one. databases are the lines of that section,
// settings further ones of the other.
func NewPooler(c *Cluster, databases, settings []string) (*Pooler, error) {
	dir, err := os.MkdirTemp("", "pgbouncer")
	if err != nil {
		return nil, err
	}
	p := &Pooler{dir: dir, cred: c.cred}
	if p.Port, err = FreePort(); err != nil {
		return nil, err
	}
	users := filepath.Join(dir, "users.txt")
	if err := os.WriteFile(users, []byte(`"postgres" "`+c.Password+"\"\n"), 0o644); err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	return p, errors.Join(p.Configure(databases, settings), p.Start())
}

// Configure writes pgbouncer.ini; Stop and Start make it count.
func (p *Pooler) Configure(databases, settings []string) error {
	ini := "[databases]\n" + strings.Join(databases, "\n") + "\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = " + strconv.Itoa(p.Port) +
		"\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = " + filepath.Join(p.dir, "users.txt") +
		"\nauth_user = postgres\nauth_query = SELECT usename, passwd FROM pg_shadow WHERE usename=$1\n" + strings.Join(settings, "\n") + "\n"
	return os.WriteFile(filepath.Join(p.dir, "pgbouncer.ini"), []byte(ini), 0o644)
}

// Start runs it and waits until it listens.
func (p *Pooler) Start() error {
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		path = "/usr/sbin/pgbouncer"
	}
	if !isProgram(path) {
		return errors.New("no pgbouncer on this machine; run: make setup")
	}
	log, err := os.Create(filepath.Join(p.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(path, filepath.Join(p.dir, "pgbouncer.ini"))
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.cred, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmd, p.done = cmd, make(chan struct{})
	go func() { cmd.Wait(); close(p.done) }()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Port))); err == nil {
			return conn.Close()
		}
	}
	said, _ := os.ReadFile(log.Name())
	return fmt.Errorf("pgbouncer does not listen: %s", said)
}

// Stop ends it at once.
func (p *Pooler) Stop() {
	if p.cmd != nil {
		p.cmd.Process.Kill()
		<-p.done
		p.cmd = nil
	}
}

// Remove stops it and deletes everything.
func (p *Pooler) Remove() {
	p.Stop()
	os.RemoveAll(p.dir)
}

// File writes one that the pooler may read, and nobody else, and gives its path.
func (p *Pooler) File(name string, data []byte) (path string, err error) {
	path = filepath.Join(p.dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return "", err
	}
	if p.cred != nil {
		err = os.Chown(path, int(p.cred.Uid), int(p.cred.Gid))
	}
	return path, err
}
