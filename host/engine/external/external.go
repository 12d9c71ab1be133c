// Package external is a PostgreSQL that somebody else runs
// (ODPM_POSTGRES=external): it is reached over TCP, and never started, stopped
// or looked at from inside.
package external

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/shared/shell"
)

// Options are where the server is.
type Options struct {
	Host string
	Port int
	// SSLMode is libpq's word from odoo.conf's db_sslmode: disable, allow,
	// prefer (""), require, verify-ca, verify-full.
	SSLMode string
}

// Engine implements engine.Postgres.
type Engine struct{ o Options }

var _ engine.Postgres = (*Engine)(nil)

// New makes the engine; nothing is asked yet.
func New(o Options) *Engine { return &Engine{o} }

// Kind is "external".
func (e *Engine) Kind() string { return "external" }

func (e *Engine) addr() string { return net.JoinHostPort(e.o.Host, strconv.Itoa(e.o.Port)) }

// Status tells whether something listens. Whether it is PostgreSQL a login
// tells.
func (e *Engine) Status(ctx context.Context) (engine.Status, error) {
	c, err := e.tcp(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return engine.Status{}, ctx.Err()
		}
		return engine.Status{Exists: true, ID: e.addr()}, nil
	}
	c.Close()
	return engine.Status{Exists: true, Running: true, Ready: true, ID: e.addr()}, nil
}

func (e *Engine) tcp(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	return d.DialContext(ctx, "tcp", e.addr())
}

// Look cannot tell: the data directory is somebody else's.
func (e *Engine) Look(context.Context) (datadir.Facts, error) {
	return datadir.Facts{UID: -1, GID: -1, Reason: "the server is external"}, nil
}

// Holders is nobody: there is no directory of ours.
func (e *Engine) Holders(context.Context) ([]engine.Holder, error) { return nil, nil }

// Serves: it is the server that odoo.conf names, wherever its data are.
func (e *Engine) Serves(context.Context, string) (bool, string, error) { return true, e.addr(), nil }

// Start only waits for a server that somebody else starts.
func (e *Engine) Start(ctx context.Context) error {
	c, err := e.tcp(ctx)
	if err != nil {
		return fmt.Errorf("the external PostgreSQL at %s cannot be reached (%w); start it where it runs, or correct db_host and db_port in odoo.conf", e.addr(), err)
	}
	return c.Close()
}

// Stop leaves it to whoever runs it.
func (e *Engine) Stop(context.Context) error { return nil }

// Dial opens a connection as the server's sslmode wants it. TLS is set up
// here, so that what is put on top need not know.
func (e *Engine) Dial(ctx context.Context) (net.Conn, error) {
	c, err := e.tcp(ctx)
	if err != nil || e.o.SSLMode == "disable" || e.o.SSLMode == "allow" {
		return c, err
	}
	return e.startTLS(ctx, c)
}

// sslRequest is the protocol's question whether the server speaks TLS.
const sslRequest = 80877103

func (e *Engine) startTLS(ctx context.Context, c net.Conn) (net.Conn, error) {
	deadline := time.Now().Add(10 * time.Second)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := c.SetDeadline(deadline); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	var msg [8]byte
	binary.BigEndian.PutUint32(msg[:], 8)
	binary.BigEndian.PutUint32(msg[4:], sslRequest)
	var answer [1]byte
	_, err := c.Write(msg[:])
	if err == nil {
		_, err = io.ReadFull(c, answer[:])
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s does not answer as PostgreSQL: %w", e.addr(), err), c.Close())
	}
	verify := e.o.SSLMode == "verify-ca" || e.o.SSLMode == "verify-full"
	if answer[0] != 'S' {
		if verify || e.o.SSLMode == "require" {
			return nil, errors.Join(fmt.Errorf("db_sslmode is %s, and the server at %s offers no TLS", e.o.SSLMode, e.addr()), c.Close())
		}
		return c, c.SetDeadline(time.Time{})
	}
	// require and prefer encrypt without asking who it is, as libpq does.
	t := tls.Client(c, &tls.Config{ServerName: e.o.Host, InsecureSkipVerify: !verify, MinVersion: tls.VersionTLS12})
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("TLS with %s: %w", e.addr(), err), c.Close())
	}
	return t, c.SetDeadline(time.Time{})
}

// Command runs this machine's client program against the server.
func (e *Engine) Command(ctx context.Context, c engine.Command) error {
	path, err := exec.LookPath(c.Argv[0])
	if err != nil {
		return fmt.Errorf("%s is not on this machine; an external server needs its client programs here (Debian: apt-get install postgresql-client)", c.Argv[0])
	}
	cmd := exec.CommandContext(ctx, path, c.Argv[1:]...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "PGHOST=" + e.o.Host, "PGPORT=" + strconv.Itoa(e.o.Port), "PGPASSFILE=/dev/null"}
	if e.o.SSLMode != "" {
		cmd.Env = append(cmd.Env, "PGSSLMODE="+e.o.SSLMode)
	}
	cmd.Env = append(cmd.Env, c.Env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Stdin, c.Stdout, c.Stderr
	var errs bytes.Buffer
	if cmd.Stderr == nil {
		cmd.Stderr = &errs
	}
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &engine.ExitError{Program: c.Argv[0], Code: exit.ExitCode(), Stderr: errs.String()}
	}
	return err
}

// SingleUser is for servers of one's own.
func (e *Engine) SingleUser(context.Context, string) (string, error) {
	return "", errors.New("single-user mode needs the data directory, and this PostgreSQL is external")
}

// HostAddr is where it is.
func (e *Engine) HostAddr(context.Context) (string, error) { return e.addr(), nil }

// Psql asks for the password.
func (e *Engine) Psql(_ context.Context, role string) string {
	host, port, err := net.SplitHostPort(e.addr())
	if err != nil {
		return "psql -U " + shell.Quote(role)
	}
	return "psql -h " + shell.Quote(host) + " -p " + port + " -U " + shell.Quote(role)
}

// AsServer: where it runs is not known.
func (e *Engine) AsServer(context.Context) (string, bool) { return "", false }

// Logs are where the server runs.
func (e *Engine) Logs(context.Context, int) (string, error) { return "", nil }
