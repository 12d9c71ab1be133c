package odoodb

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/sqldump"
)

// querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// closeConn says goodbye even if the work's context is cancelled already.
func closeConn(c interface{ Close(context.Context) error }) {
	engine.Close(c)
}

// columns of a table in public; empty where there is no such table.
func columns(ctx context.Context, q querier, table string) (map[string]bool, error) {
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

// copyOut reads columns of a table in public; NULL is "". It is how odpm reads
// what somebody else has made, whoever it is logged in as: a SELECT could run
// the casts and operators of its columns' types, the functions of a view and
// those of its policies, and COPY TO takes no view and evaluates nothing.
func copyOut(ctx context.Context, c *pgx.Conn, table string, names []string, each func(values []string)) error {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = ident(n)
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
	return collect(ctx, c, `WITH RECURSIVE t(oid) AS (
			SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
			WHERE n.nspname OPERATOR(pg_catalog.=) 'public'::pg_catalog.name AND c.relname OPERATOR(pg_catalog.=) $1::pg_catalog.name
			UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN t ON i.inhparent OPERATOR(pg_catalog.=) t.oid)
		SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM t JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.oid
		JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
		WHERE c.relkind OPERATOR(pg_catalog.=) 'r'::pg_catalog."char" ORDER BY 1`, table)
}

// baseAtOnce is baseVersion in one statement, for a list of hundreds of
// databases: a new session pays for every catalog that it looks into. It takes
// an ordinary table with the columns that Odoo's has; what else there is ends in
// an error of the server's (COPY takes no view either), and baseVersion looks
// closer.
func baseAtOnce(ctx context.Context, c *pgx.Conn, database string) (string, error) {
	var all []module
	rows := sqldump.NewRows(moduleColumns, moduleColumns, func(v []string) {
		if v[0] == "base" {
			all = append(all, module{v[0], v[1], v[2]})
		}
	})
	if _, err := c.PgConn().CopyTo(ctx, rows, `COPY public.ir_module_module (`+strings.Join(moduleColumns, ", ")+`) TO STDOUT`); err != nil {
		return "", err
	}
	return baseOf(all, database)
}

// moduleColumns are module's.
var moduleColumns = []string{"name", "state", "latest_version"}

// module is a row of ir_module_module.
type module struct{ name, state, version string }

// installed: in Odoo's registry, and not only on its list.
func (m module) installed() bool {
	return m.state == "installed" || m.state == "to upgrade" || m.state == "to remove"
}

// modules reads ir_module_module; a database without it is a notOdooError.
func modules(ctx context.Context, c *pgx.Conn, database string) ([]module, error) {
	names := moduleColumns
	cols, err := columns(ctx, c, "ir_module_module")
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if !cols[n] {
			return nil, &notOdooError{database}
		}
	}
	var all []module
	err = copyOut(ctx, c, "ir_module_module", names, func(v []string) { all = append(all, module{v[0], v[1], v[2]}) })
	return all, err
}

// ModuleStates gives the state of each module that Odoo has on its list, as
// ir_module_module has it ("installed", "to upgrade", …). A database without
// that list is IsNotOdoo.
func (s *Server) ModuleStates(ctx context.Context, database string) (map[string]string, error) {
	c, err := s.app(ctx, database)
	if err != nil {
		return nil, err
	}
	defer closeConn(c)
	var all []module
	err = s.unblocked(ctx, sessionOf(c), func(ctx context.Context) (err error) {
		all, err = modules(ctx, c, database)
		return err
	})
	if IsLocked(err) {
		return nil, fmt.Errorf("the modules of database %q could not be read: %w", database, err)
	}
	if err != nil {
		return nil, s.explainDenied(ctx, database, err)
	}
	states := map[string]string{}
	for _, m := range all {
		states[m.name] = m.state
	}
	return states, nil
}

// baseVersion is the version of the installed module base, "18.0.1.3".
func baseVersion(ctx context.Context, c *pgx.Conn, database string) (string, error) {
	all, err := modules(ctx, c, database)
	if err != nil {
		return "", err
	}
	return baseOf(all, database)
}

func baseOf(all []module, database string) (string, error) {
	for _, m := range all {
		if m.name == "base" && m.installed() {
			return m.version, nil
		}
	}
	return "", &notOdooError{database}
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
func odooMajor(ctx context.Context, c *pgx.Conn, database string) (int, error) {
	v, err := baseVersion(ctx, c, database)
	if err != nil {
		return 0, err
	}
	return namedMajor(v, database)
}

func namedMajor(v, database string) (int, error) {
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
		_ = c.QueryRow(ctx, `SELECT pg_catalog.pg_get_userbyid(datdba) FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) $1::pg_catalog.name`, database).Scan(&owner)
	}
	return fmt.Errorf("database %q belongs to role %q and its tables are not role %q's: %w", database, owner, s.AppRole, err)
}
