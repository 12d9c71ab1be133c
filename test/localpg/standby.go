package localpg

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Standby makes a streaming standby of a running cluster and starts it.
func (c *Cluster) Standby(conf ...string) (*Cluster, error) {
	dir, err := os.MkdirTemp(filepath.Dir(filepath.Dir(c.Dir)), "pg")
	if err != nil {
		return nil, err
	}
	if c.cred != nil {
		if err := os.Chown(dir, int(c.cred.Uid), int(c.cred.Gid)); err != nil {
			return nil, err
		}
	}
	s := &Cluster{Dir: filepath.Join(dir, "data"), Bin: c.Bin, Password: c.Password, cred: c.cred}
	from := fmt.Sprintf("host=127.0.0.1 port=%d user=postgres password=%s", c.Port, c.Password)
	if err := c.run("pg_basebackup", "-D", s.Dir, "-d", from, "-R", "-c", "fast", "-X", "stream", "--no-sync"); err != nil {
		return nil, err
	}
	if s.Port, err = FreePort(); err != nil {
		return nil, err
	}
	lines := append([]string{"port = " + strconv.Itoa(s.Port), "unix_socket_directories = '" + dir + "'"}, conf...)
	if err := s.Append("postgresql.conf", lines...); err != nil {
		return nil, err
	}
	return s, s.Start()
}

// Promote makes a standby a primary, and returns when it is one.
func (c *Cluster) Promote() error { return c.run("pg_ctl", "promote", "-w", "-D", c.Dir) }

// Demote restarts a primary as a standby, of nobody.
func (c *Cluster) Demote() error {
	if err := c.Stop(syscall.SIGINT); err != nil {
		return err
	}
	signal := filepath.Join(c.Dir, "standby.signal")
	if err := os.WriteFile(signal, nil, 0o644); err != nil {
		return err
	}
	return c.Start()
}

// Freeze stops the postmaster in its tracks: the kernel still accepts
// connections for it, and nobody answers. Thaw lets it go on.
func (c *Cluster) Freeze() error { return c.cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw undoes Freeze.
func (c *Cluster) Thaw() error { return c.cmd.Process.Signal(syscall.SIGCONT) }
