// Package server is the PostgreSQL that holds a project's Odoo databases, as every
// operation on them sees it: its sessions, the names of its databases, who holds
// what, and the locks that others keep odpm waiting for.
package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/shared/libpq"
	"github.com/odpm/odpm/shared/pglogin"
)

// Server is the PostgreSQL that holds a project's Odoo databases, and the
// directories that belong to them.
type Server struct {
	PG engine.Server
	// Programs runs pg_dump, psql and pg_restore where the server is; nil for
	// who only lists.
	Programs engine.Programs

	// AppRole is the role that Odoo logs in as; databases belong to it and
	// everything that an archive contains runs as it. AppPassword is used
	// where pg_hba asks for one on the socket.
	AppRole, AppPassword string

	// Direct is PG over TCP, as Odoo reaches it; nil where PG's own way is the shorter
	// one. In a container each connection to the socket is a process of its own
	// (measured: 100 ms for each; over TCP 3).
	Direct engine.Server

	// Admin connects to a database as a superuser, as cluster.Admin does.
	Admin func(ctx context.Context, database string) (*cluster.Session, error)

	// Files says where the databases' file stores are on this machine.
	Files filestore.Layout
	// PostgresDataDir is the server's data directory on this machine, "" where
	// it is not known: free space is asked there.
	PostgresDataDir string
	// StateDir is .odpm/state: journals of work that a crash may cut short.
	StateDir string
	// CacheDir is where a list remembers what is in each database (package seen), ""
	// where it does not.
	CacheDir string

	// Waiting is called, from another goroutine, when work waits for a lock and who
	// holds it; nil for nobody. LockWait is when it stops to wait, 0 for a minute.
	Waiting  func(what string)
	LockWait time.Duration

	// Startup opens the application role's sessions; nil for one that finds out the
	// server's major by itself, which costs a login.
	Startup *cluster.Startup

	startup cluster.Startup
}

// App connects to a database as the role that Odoo uses.
func (s *Server) App(ctx context.Context, database string) (*pgx.Conn, error) {
	return s.Owner(ctx, s.PG, engine.Login{User: s.AppRole, Password: s.AppPassword, Database: database})
}

// ForMany is the server for somebody who logs in as the application role to one
// database after another: over TCP where that is shorter and works.
func (s *Server) ForMany(ctx context.Context) *Server {
	if s.Direct == nil {
		return s
	}
	direct := *s
	direct.PG, direct.Direct = s.Direct, nil
	c, err := direct.App(ctx, Maintenance)
	if err != nil {
		return s
	}
	engine.Close(c)
	return &direct
}

// Owner connects to a database as the one whom its contents belong to.
func (s *Server) Owner(ctx context.Context, pg engine.Server, l engine.Login) (*pgx.Conn, error) {
	startup := s.Startup
	if startup == nil {
		startup = &s.startup
	}
	c, err := startup.Owner(ctx, pg, l)
	var pgErr *pgconn.PgError
	if refused := refusedFor(l.Database, err); refused != nil {
		return nil, refused
	}
	if errors.As(err, &pgErr) && pgErr.Code == "3D000" {
		return nil, Missing(l.Database)
	}
	if err != nil {
		return nil, fmt.Errorf("log in to database %q as role %q: %w", l.Database, l.User, err)
	}
	return c, nil
}

// refusedFor is what a refused login says of the database itself, nil for nothing.
func refusedFor(database string, err error) error {
	var pgErr *pgconn.PgError
	switch {
	case !errors.As(err, &pgErr):
	case pglogin.IsDatabaseInvalid(pgErr):
		return Invalid(database)
	case pglogin.WithoutTablespace(pgErr):
		// Not wrapped: for everybody else that SQLSTATE is a database that does not exist.
		return fmt.Errorf("the files of database %q are in a tablespace whose directory is missing (%s). Usually its disk is not mounted: mount it, and try again; to see where it belongs: psql -d postgres -c 'SELECT spcname, pg_tablespace_location(oid) FROM pg_tablespace'", database, pgErr.Detail)
	}
	return nil
}

// Administrator connects to a database as a superuser.
func (s *Server) Administrator(ctx context.Context, database string) (*cluster.Session, error) {
	c, err := s.Admin(ctx, database)
	if refused := refusedFor(database, err); refused != nil {
		return nil, refused
	}
	if err != nil {
		return nil, fmt.Errorf("log in to database %q as administrator: %w", database, err)
	}
	return c, nil
}

// Maintenance is the database for statements that concern another one.
const Maintenance = "postgres"

// Conninfo names a database to a client program in a way that is never taken
// for something else: the programs take "a=b" for a connection string.
func Conninfo(database string) string {
	return "dbname=" + libpq.QuoteKV(database)
}
