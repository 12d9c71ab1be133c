// Package engine is one PostgreSQL service, whoever runs it: the Docker
// engine through `docker compose` (engine/docker), PostgreSQL's own binaries
// on this machine (engine/native), or somebody else (engine/external).
//
// Looking and acting are different types. Who only looks has a Server or a
// Reader in his hands; only a run that was planned gets a Writer. All engines
// pass the suite in engine/enginetest, each as far as its types go.
package engine

import (
	"context"
	"io"
	"net"

	"github.com/odpm/odpm/host/datadir"
)

// Server is a PostgreSQL that can be asked, wherever it runs. Methods take a
// context and give errors that say what was tried and what to do next.
type Server interface {
	// Kind is "docker", "native" or "external".
	Kind() string
	// Status asks; it starts and writes nothing.
	Status(ctx context.Context) (Status, error)
	// HostAddr is where this machine reaches the server over TCP with a password
	// ("127.0.0.1:5432"); empty when nothing is published.
	HostAddr(ctx context.Context) (string, error)
	// Dial opens a connection to the running server: its own Unix socket, as the
	// server's operating-system user (peer and trust therefore work), where odpm
	// can reach that. pgx is put on top of it; see Connect.
	Dial(ctx context.Context) (net.Conn, error)
	// Psql is how a person starts psql as role where Dial would lead, a line for
	// a shell that more arguments can be put behind.
	Psql(ctx context.Context, role string) string
	// AsServer begins a line for a shell with which a person runs a program where
	// the server is, as the server's operating-system user; false where odpm
	// knows no such way.
	AsServer(ctx context.Context) (prefix string, ok bool)
}

// Reader looks at a PostgreSQL that odpm runs, and at its data.
type Reader interface {
	Server
	// Look says what is in the data directory. Where the host may not read it,
	// docker looks from a short read-only, network-less container of the
	// service's image, which is the one thing of a Reader that resembles a write;
	// native gives datadir.Unknown.
	Look(ctx context.Context) (datadir.Facts, error)
	// Holders finds everything that has the data directory open or mounted in
	// a running container, of any project, and native servers; our own running
	// service is among them with Own set.
	Holders(ctx context.Context) ([]Holder, error)
	// Serves tells whether a directory of the running server's ("" for the one
	// that it was started with) lies in the project's data as configured, and
	// where it lies instead.
	Serves(ctx context.Context, dataDirectory string) (ok bool, where string, err error)
	// Logs gives the last n lines that the server wrote.
	Logs(ctx context.Context, n int) (string, error)
}

// Programs runs client programs.
type Programs interface {
	// Command runs a PostgreSQL client program (pg_dump, psql, pg_restore,
	// pg_dumpall) that matches the server, where the server is, so that its
	// default socket reaches it. Stdin and stdout are streamed. The error of a
	// non-zero exit is *ExitError.
	Command(ctx context.Context, c Command) error
}

// Remote is a server of somebody else's: odpm works on what is in it, and can
// neither start it nor see its files.
type Remote interface {
	Server
	Programs
}

// Writer starts and stops a PostgreSQL that odpm runs.
type Writer interface {
	Reader
	Programs
	// Start starts PostgreSQL alone and returns when it accepts connections
	// over TCP (not the init-phase socket). It is a no-op when it runs.
	// The caller has checked Holders under the data directory's lock.
	Start(ctx context.Context) error
	// Stop stops it with PostgreSQL's fast shutdown and waits.
	Stop(ctx context.Context) error
	// SingleUser runs SQL (one statement per line) in `postgres --single` on the stopped
	// data directory with exit_on_error and lc_messages=C and returns what it
	// wrote to stderr. An SQL error is an error.
	SingleUser(ctx context.Context, script string) (stderr string, err error)
}

// CannotConnectNow is ERRCODE_CANNOT_CONNECT_NOW: the server starts, recovers or
// shuts down.
const CannotConnectNow = "57P03"

// Status is what an engine can say without logging in.
type Status struct {
	// Exists: a container (any state) or an initialised directory exists.
	Exists bool
	// Running: the container or postmaster runs.
	Running bool
	// Ready: it accepts connections over TCP.
	Ready bool
	// ID is a container id or a postmaster pid, for messages.
	ID string
}

// Holder is somebody who has the data directory.
type Holder struct {
	// Kind is "container", "postmaster", or what else holds it in words.
	Kind string
	// Name is the container's name or "pid 1234".
	Name string
	// Project and Service are compose's labels, empty for a plain container.
	Project, Service string
	// WorkingDir is compose's project directory, if it says.
	WorkingDir string
	// Own is set for this project's own service as configured now.
	Own bool
	// StopCommand is what a person types to stop it.
	StopCommand string
}

// Command is a client program's run.
type Command struct {
	// Argv without a path: Argv[0] is "pg_dump", "psql", …
	Argv []string
	// Env adds KEY=VALUE; values never appear in a process's arguments.
	Env            []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// ExitError is a client program that ended with a code other than 0.
type ExitError struct {
	Program string
	Code    int
	// Stderr holds the last lines it wrote, if Command.Stderr was nil.
	Stderr string
}
