package odoodb

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/host/engine"
)

// querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// closeConn says goodbye even if the work's context is cancelled already.
func closeConn(c *pgx.Conn) {
	engine.Close(c)
}

// columns of a table in public; empty where there is no such table.
func columns(ctx context.Context, q querier, table string) (map[string]bool, error) {
	rows, err := q.Query(ctx, `SELECT a.attname::text FROM pg_catalog.pg_attribute a
		JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
		WHERE c.relnamespace = 'public'::regnamespace AND c.relname = $1 AND c.relkind IN ('r', 'p')
		AND a.attnum > 0 AND NOT a.attisdropped`, table)
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	set := map[string]bool{}
	for _, n := range names {
		set[n] = true
	}
	return set, nil
}

// baseVersion is the version of the installed module base, "18.0.1.3".
func baseVersion(ctx context.Context, q querier, database string) (string, error) {
	mods, err := columns(ctx, q, "ir_module_module")
	if err != nil {
		return "", err
	}
	if !mods["latest_version"] {
		return "", &notOdooError{database}
	}
	var version string
	err = q.QueryRow(ctx, `SELECT coalesce(latest_version, '') FROM public.ir_module_module
		WHERE name = 'base' AND state IN ('installed', 'to upgrade', 'to remove')`).Scan(&version)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", &notOdooError{database}
	}
	return version, err
}

// versionMajor reads "18.0.1.3", "saas~17.4.1.3" and "saas-18.2".
var versionMajor = regexp.MustCompile(`^(?:saas[~-])?([0-9]+)\.`)

func majorOf(version string) int {
	m := versionMajor.FindStringSubmatch(version)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// odooMajor is the Odoo version of a database.
func odooMajor(ctx context.Context, q querier, database string) (int, error) {
	v, err := baseVersion(ctx, q, database)
	if err != nil {
		return 0, err
	}
	if n := majorOf(v); n > 0 {
		return n, nil
	}
	return 0, fmt.Errorf("database %q: the module base has version %q, which names no Odoo version", database, v)
}

// explainDenied adds the owner to a refusal for lack of rights.
func (s *Server) explainDenied(ctx context.Context, database string, err error) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != "42501" {
		return err
	}
	owner := "another role"
	if c, cerr := s.admin(ctx, maintenance); cerr == nil {
		defer closeConn(c)
		_ = c.QueryRow(ctx, `SELECT pg_catalog.pg_get_userbyid(datdba) FROM pg_catalog.pg_database WHERE datname = $1`, database).Scan(&owner)
	}
	return fmt.Errorf("database %q belongs to role %q and its tables are not role %q's: %w", database, owner, s.AppRole, err)
}
