// Package tables reads the tables of a database that somebody else has made, PostgreSQL's
// catalogs and Odoo's own, without running anything of that database's.
package tables

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/host/odoodb/sqldump"
	"github.com/odpm/odpm/host/quote"
)

// Querier is a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// Columns of a table in public; empty where there is no such table.
func Columns(ctx context.Context, q Querier, table string) (map[string]bool, error) {
	rows, err := q.Query(ctx, `SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute a
		JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) a.attrelid
		JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
		WHERE n.nspname OPERATOR(pg_catalog.=) 'public'::pg_catalog.name AND c.relname OPERATOR(pg_catalog.=) $1::pg_catalog.name
		AND c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p']::pg_catalog."char"[])
		AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT a.attisdropped`, table)
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

// CopyOut reads columns of a table in public; NULL is "". It is how odpm reads
// what somebody else has made, whoever it is logged in as: a SELECT could run
// the casts and operators of its columns' types, the functions of a view and
// those of its policies, and COPY TO takes no view and evaluates nothing.
func CopyOut(ctx context.Context, c *pgx.Conn, table string, names []string, each func(values []string)) error {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quote.Ident(n)
	}
	heaps, err := heapsOf(ctx, c, table)
	if err != nil {
		return err
	}
	for _, heap := range heaps {
		if _, err := c.PgConn().CopyTo(ctx, sqldump.NewRows(names, names, each), "COPY "+heap+" ("+strings.Join(quoted, ", ")+") TO STDOUT"); err != nil {
			return err
		}
	}
	return nil
}

// heapsOf are a table of public and, where it is partitioned, its parts: COPY
// takes one by one.
func heapsOf(ctx context.Context, c *pgx.Conn, table string) ([]string, error) {
	return Collect(ctx, c, `WITH RECURSIVE t(oid) AS (
			SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
			WHERE n.nspname OPERATOR(pg_catalog.=) 'public'::pg_catalog.name AND c.relname OPERATOR(pg_catalog.=) $1::pg_catalog.name
			UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN t ON i.inhparent OPERATOR(pg_catalog.=) t.oid)
		SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM t JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.oid
		JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
		WHERE c.relkind OPERATOR(pg_catalog.=) 'r'::pg_catalog."char" ORDER BY 1`, table)
}

// Collect gives the texts of a query's only column.
func Collect(ctx context.Context, q Querier, sql string, args ...any) ([]string, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
