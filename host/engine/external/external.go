// Package external is a PostgreSQL that somebody else runs
// (ODPM_POSTGRES=external): it is reached over TCP, and never started, stopped
// or looked at from inside.
package external

import (
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

// Reader looks. It implements engine.Server, and nothing that needs the
// machine on which the server runs.
type Reader struct{ o Options }

// Engine also runs client programs of this machine. It implements engine.Remote.
type Engine struct{ *Reader }

var (
	_ engine.Server = (*Reader)(nil)
	_ engine.Remote = (*Engine)(nil)
)

// NewReader makes one; nothing is asked yet.
func NewReader(o Options) *Reader { return &Reader{o} }

// New makes an engine that also runs client programs.
func New(o Options) *Engine { return &Engine{NewReader(o)} }

// Kind is "external".
func (e *Reader) Kind() string { return "external" }

func (e *Reader) addr() string { return net.JoinHostPort(e.o.Host, strconv.Itoa(e.o.Port)) }

// Status tells whether something listens. Whether it is PostgreSQL a login
// tells.
func (e *Reader) Status(ctx context.Context) (engine.Status, error) {
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

func (e *Reader) tcp(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	return d.DialContext(ctx, "tcp", e.addr())
}

// Dial opens a connection as the server's sslmode wants it. TLS is set up
// here, so that what is put on top need not know.
func (e *Reader) Dial(ctx context.Context) (net.Conn, error) {
	c, err := e.tcp(ctx)
	if err != nil || e.o.SSLMode == "disable" || e.o.SSLMode == "allow" {
		return c, err
	}
	return e.startTLS(ctx, c)
}

// sslRequest is the protocol's question whether the server speaks TLS.
const sslRequest = 80877103

func (e *Reader) startTLS(ctx context.Context, c net.Conn) (net.Conn, error) {
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
	return engine.RunProgram(ctx, path, c, func(cmd *exec.Cmd) {
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "PGHOST=" + e.o.Host, "PGPORT=" + strconv.Itoa(e.o.Port), "PGPASSFILE=/nonexistent/pgpass", "HOME=/"}
		if e.o.SSLMode != "" {
			cmd.Env = append(cmd.Env, "PGSSLMODE="+e.o.SSLMode)
		}
		cmd.Env = append(cmd.Env, c.Env...)
	})
}

// HostAddr is where it is.
func (e *Reader) HostAddr(context.Context) (string, error) { return e.addr(), nil }

// Psql asks for the password.
func (e *Reader) Psql(_ context.Context, role string) string {
	host, port, err := net.SplitHostPort(e.addr())
	if err != nil {
		return "psql -U " + shell.Quote(role)
	}
	return "psql -h " + shell.Quote(host) + " -p " + port + " -U " + shell.Quote(role)
}

// AsServer: where it runs is not known.
func (e *Reader) AsServer(context.Context) (string, bool) { return "", false }
