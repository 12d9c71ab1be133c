// Package external is a PostgreSQL that somebody else runs
// (ODPM_POSTGRES=external): it is reached over TCP, and never started, stopped
// or looked at from inside.
package external

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/shared/libpq"
	"github.com/odpm/odpm/shared/shell"
)

// Options are where the server is.
type Options struct {
	Host string
	Port int
	// Name is what Odoo calls the server, where this machine reaches it as
	// another: its certificate is for that name. "" is Host.
	Name string
	// SSLMode is libpq's word from odoo.conf's db_sslmode: disable, allow,
	// prefer (""), require, verify-ca, verify-full.
	SSLMode string
	// TLSFiles: PGSSLROOTCERT, PGSSLCERT, PGSSLKEY and ~/.postgresql count.
	TLSFiles bool
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

// Dial opens a connection as the server's sslmode wants it.
func (e *Reader) Dial(ctx context.Context) (net.Conn, error) {
	return engine.TCP{Addr: e.addr(), Name: e.o.Name, SSLMode: e.o.SSLMode, TLSFiles: e.o.TLSFiles}.Dial(ctx)
}

// Command runs this machine's client program against the server.
func (e *Engine) Command(ctx context.Context, c engine.Command) error {
	path, err := exec.LookPath(c.Argv[0])
	if err != nil {
		return fmt.Errorf("%s is not on this machine; an external server needs its client programs here (Debian: apt-get install postgresql-client)", c.Argv[0])
	}
	return engine.RunProgram(ctx, path, c, func(cmd *exec.Cmd) {
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "PGHOST=" + e.o.Host, "PGPORT=" + strconv.Itoa(e.o.Port), "PGPASSFILE=/nonexistent/pgpass", "HOME=/"}
		cmd.Env = append(cmd.Env, "PGSSLMODE="+cmp.Or(e.o.SSLMode, "prefer"))
		if e.o.TLSFiles {
			cmd.Env = append(cmd.Env, libpq.TLSEnv()...)
		}
		if e.o.Name != "" && net.ParseIP(e.o.Host) != nil {
			cmd.Env = append(cmd.Env, "PGHOST="+e.o.Name, "PGHOSTADDR="+e.o.Host)
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
	program := "psql"
	if e.o.SSLMode != "" && e.o.SSLMode != "prefer" {
		program = "PGSSLMODE=" + shell.Quote(e.o.SSLMode) + " psql"
	}
	return program + " -h " + shell.Quote(host) + " -p " + port + " -U " + shell.Quote(role)
}

// AsServer: where it runs is not known.
func (e *Reader) AsServer(context.Context) (string, bool) { return "", false }
