package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/interrupt"
	"github.com/odpm/odpm/host/odoodb/tables"
	"github.com/odpm/odpm/host/quote"
	"github.com/odpm/odpm/shared/shell"
)

// ExplainDenied adds the owner to a refusal for lack of rights.
func (s *Server) ExplainDenied(ctx context.Context, database string, err error) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != "42501" {
		return err
	}
	owner := "another role"
	if c, cerr := s.Administrator(ctx, Maintenance); cerr == nil {
		defer engine.Close(c)
		_ = c.QueryRow(ctx, `SELECT pg_catalog.pg_get_userbyid(datdba) FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) $1::pg_catalog.name`, database).Scan(&owner)
	}
	return fmt.Errorf("database %q belongs to role %q, and role %q does not own its tables: %w", database, owner, s.AppRole, err)
}

// missingError is a database that does not exist.
type missingError struct{ database string }

func (e *missingError) Error() string {
	return fmt.Sprintf("database %q does not exist; to see which do: odpm database list", e.database)
}

// Missing is the error of a database that does not exist.
func Missing(database string) error { return &missingError{database} }

// IsMissing says whether the work failed because the database does not exist.
func IsMissing(err error) bool {
	var e *missingError
	return errors.As(err, &e)
}

// invalidError is a database whose drop was cut short.
type invalidError struct{ database string }

func (e *invalidError) Error() string {
	next := "odpm -d " + shell.Quote(e.database) + " --db-drop"
	if CheckTarget(e.database) != nil {
		next = "psql -d template1 -c " + shell.Quote("DROP DATABASE "+quote.Ident(e.database)) + " -c " + shell.Quote("CREATE DATABASE "+quote.Ident(e.database)+" TEMPLATE template0")
	}
	return fmt.Sprintf("database %q is invalid: PostgreSQL was interrupted while dropping it, so nothing in it can be read any more. To drop what is left of it: %s", e.database, next)
}

// Invalid is the error of a database that a drop which was cut short has left, and
// that can only be dropped.
func Invalid(database string) error { return &invalidError{database} }

// IsInvalid says whether the work failed because the database is invalid.
func IsInvalid(err error) bool {
	var e *invalidError
	return errors.As(err, &e)
}

// heldError is a database that PostgreSQL will not give up, or whose drop would
// destroy something that a person has to decide about.
type heldError struct {
	database, owner string
	holders         []string
}

func (e *heldError) Error() string {
	return fmt.Sprintf("database %q (owner %q) is held by:\n  %s", e.database, e.owner, strings.Join(e.holders, "\n  "))
}

// HeldBy is the error of a database that holders keep, each with how to let go.
func HeldBy(database, owner string, holders []string) error {
	return &heldError{database, owner, holders}
}

// Holders names what holds the database and how to let go, if err says so.
func Holders(err error) []string {
	var e *heldError
	if errors.As(err, &e) {
		return e.holders
	}
	return nil
}

// Info is a database's row in pg_database.
type Info struct {
	OID               uint32
	Owner, Tablespace string
	Template, AllowC  bool
	// Invalid: a drop of it was cut short (cluster.DatabaseInvalid).
	Invalid bool
}

// Lookup finds a database; a missing one is IsMissing.
func Lookup(ctx context.Context, q tables.Querier, database string) (Info, error) {
	var i Info
	err := q.QueryRow(ctx, `SELECT d.oid, pg_catalog.pg_get_userbyid(datdba), spcname, datistemplate, datallowconn, `+cluster.DatabaseInvalid+`
		FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON t.oid OPERATOR(pg_catalog.=) d.dattablespace
		WHERE datname OPERATOR(pg_catalog.=) $1::pg_catalog.name`, database).
		Scan(&i.OID, &i.Owner, &i.Tablespace, &i.Template, &i.AllowC, &i.Invalid)
	if errors.Is(err, pgx.ErrNoRows) {
		return i, Missing(database)
	}
	return i, err
}

// Hollow says whether an interrupted drop has left no more of a database than its row:
// it is invalid or, by a server that does not know that mark yet, its directory is gone.
// In a tablespace a directory that is missing may be on a disk that is not mounted.
func Hollow(ctx context.Context, q tables.Querier, database string) (Info, bool, error) {
	i, err := Lookup(ctx, q, database)
	if err != nil || i.Invalid || i.Tablespace != "pg_default" {
		return i, i.Invalid, err
	}
	var gone bool
	err = q.QueryRow(ctx, `SELECT CASE WHEN pg_catalog.has_database_privilege($1::pg_catalog.oid, 'CONNECT'::pg_catalog.text)
		THEN pg_catalog.pg_database_size($1::pg_catalog.oid) IS NULL ELSE false END`, i.OID).Scan(&gone)
	return i, gone, err
}

// ByOID finds a database's present name, "" where it is gone.
func ByOID(ctx context.Context, q tables.Querier, oid uint32) (string, error) {
	if oid == 0 {
		return "", nil
	}
	var name string
	err := q.QueryRow(ctx, `SELECT datname::pg_catalog.text FROM pg_catalog.pg_database WHERE oid OPERATOR(pg_catalog.=) $1::pg_catalog.oid`, oid).Scan(&name)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return name, err
}

// Major is server_version_num / 10000.
func Major(ctx context.Context, q tables.Querier) (int, error) {
	var num int
	err := q.QueryRow(ctx, `SELECT pg_catalog.current_setting('server_version_num')::int`).Scan(&num)
	return num / 10000, err
}

// cleaning is what a server may take for it. The next run does what is left.
const cleaning = 15 * time.Second

// Detached is for cleaning up after the work's own context ended.
func Detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return interrupt.Cleanup(ctx, cleaning)
}
