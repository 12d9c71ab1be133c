package restore

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
	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/odoodb/fault"
	"github.com/odpm/odpm/host/odoodb/load"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/sqldump"
	"github.com/odpm/odpm/host/odoodb/tables"
	"github.com/odpm/odpm/host/quote"
)

// An archive is a program of somebody else's, and its functions can do whatever
// the role may do that runs them: the application role can rename and drop
// every Odoo database of the cluster. So an archive is loaded as a role that is
// made for it, owns the new database and nothing else, and is dropped before
// anybody sees the result. It has the new database's hidden name, so that the
// journal names it, too.
//
// It has to be a login: SET ROLE and SET SESSION AUTHORIZATION are undone by one
// statement of the archive's.

// loaderLife bounds how long a role that nobody came to drop could log in; its
// password is known to the process that made it alone.
const loaderLife = 7 * 24 * time.Hour

// autovacuumGoes is when an autovacuum ends that an index or a key waits for
// (deadlock_timeout). One begins each minute on a table that has just been loaded, and
// each would keep a connection waiting for a second, the server's default.
const autovacuumGoes = "50ms"

// makeLoader makes the role and gives it the new database.
func (r *restore) makeLoader(ctx context.Context) error {
	r.password = server.Token() + server.Token()
	verifier, err := cluster.Verifier("", r.journal.New, r.password)
	if err != nil {
		return err
	}
	role := quote.Ident(r.journal.New)
	for _, sql := range []string{
		`CREATE ROLE ` + role + ` LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD ` + quote.Literal(verifier) +
			` VALID UNTIL ` + quote.Literal(time.Now().Add(loaderLife).UTC().Format("2006-01-02 15:04:05+00")),
		`ALTER DATABASE ` + role + ` OWNER TO ` + role,
		`ALTER DATABASE ` + role + ` CONNECTION LIMIT -1`,
	} {
		if _, err := r.c.Exec(ctx, sql); err != nil {
			return fmt.Errorf("create the temporary role that loads the archive: %w", err)
		}
	}
	if r.c.PgConn().ParameterStatus("is_superuser") == "on" {
		// Others may not set it, and wait longer.
		if _, err := r.c.Exec(ctx, `ALTER ROLE `+role+` SET deadlock_timeout = '`+autovacuumGoes+`'`); err != nil {
			return fmt.Errorf("create the temporary role that loads the archive: %w", err)
		}
	}
	for name := range r.plan.tablespaces {
		// Those that the application role may use; drop.Loader takes it back.
		if name != "pg_default" && name != "pg_global" {
			if _, err := r.c.Exec(ctx, `GRANT CREATE ON TABLESPACE `+quote.Ident(name)+` TO `+role); err != nil {
				return fmt.Errorf("create the temporary role that loads the archive: %w", err)
			}
		}
	}
	if err := r.grantExtensions(ctx); err != nil {
		return fmt.Errorf("create the temporary role that loads the archive: %w", err)
	}
	return r.admitLoader(ctx)
}

// loader connects to the new database as that role.
func (r *restore) loader(ctx context.Context) (*pgx.Conn, error) {
	return r.login(ctx, nil)
}

func (r *restore) login(ctx context.Context, notice func(*pgconn.Notice)) (*pgx.Conn, error) {
	return r.s.Owner(ctx, r.server, engine.Login{User: r.journal.New, Password: r.password, Database: r.journal.New, Notice: notice})
}

// admitLoader finds out by which way pg_hba.conf lets the role in. Debian's
// file, among others, has "local all all peer", which admits nobody but the
// roles of operating-system users: the server's TCP address is then the way,
// where there is one.
func (r *restore) admitLoader(ctx context.Context) error {
	r.server = r.s.PG
	c, err := r.loader(ctx)
	if err == nil {
		engine.Close(c)
		return nil
	}
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || !strings.HasPrefix(pgErr.Code, "28") {
		return err
	}
	if addr, noAddr := r.s.PG.HostAddr(ctx); noAddr == nil && addr != "" {
		r.server = engine.OverTCP{Server: r.s.PG, At: engine.TCP{Addr: addr}}
		if c, overTCP := r.loader(ctx); overTCP == nil {
			engine.Close(c)
			return nil
		}
	}
	return loaderRefused(err)
}

// loaderRefused explains a pg_hba.conf that lets certain roles in and no others.
func loaderRefused(err error) error {
	return fmt.Errorf("odpm loads an archive as a temporary role (%s…), and pg_hba.conf does not let it in with a password, neither over the server's own socket nor over TCP; "+
		"add this line above any line for all roles, and reload the server: local all all scram-sha-256 (lines for single roles above it still apply): %w", server.HiddenPrefix, err)
}

// ownedRelations are what each needs a statement of its own, as "schema.name".
// Indexes, TOAST tables and the sequences of columns follow their table.
const ownedRelations = `SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
	FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
	JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) c.relowner
	WHERE r.rolname OPERATOR(pg_catalog.=) $1::pg_catalog.name
	AND c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p', 'v', 'm', 'f']::pg_catalog."char"[]) ORDER BY 1`

// handOverAtOnce bounds how many tables change hands in one transaction: it
// locks them with all that belongs to them, and REASSIGN OWNED of a database of
// Odoo's size takes more locks than a server has by default.
const handOverAtOnce = 50

// handOver gives everything to the application role and drops the loading role.
func (r *restore) handOver(ctx context.Context) error {
	if err := r.reassign(ctx); err != nil {
		return fmt.Errorf("transfer the restored database to role %q: %w", r.s.AppRole, err)
	}
	fault.At("handed over")
	if err := r.runLater(ctx); err != nil {
		return err
	}
	kept, err := drop.Loader(ctx, r.c, r.journal.New)
	if kept != nil {
		r.rep.warn("the temporary role %q, which loaded the archive, could not be dropped; it can no longer log in: %v", r.journal.New, kept)
	}
	return err
}

// reassign reads catalogs and changes owners: nothing of the archive's runs.
func (r *restore) reassign(ctx context.Context) error {
	c, err := r.s.Administrator(ctx, r.journal.New)
	if err != nil {
		return err
	}
	defer engine.Close(c)
	from, to := quote.Ident(r.journal.New), quote.Ident(r.s.AppRole)
	// A dump has no settings of the database; functions in it could make some.
	for _, sql := range []string{`ALTER DATABASE ` + from + ` RESET ALL`, `ALTER DATABASE ` + from + ` OWNER TO ` + to} {
		if _, err := c.Exec(ctx, sql); err != nil {
			return err
		}
	}
	if err := r.advanceSequences(ctx, c); err != nil {
		return err
	}
	relations, err := tables.Collect(ctx, c, ownedRelations, r.journal.New)
	if err != nil {
		return err
	}
	for len(relations) > 0 {
		n := min(len(relations), handOverAtOnce)
		var b strings.Builder
		for _, relation := range relations[:n] {
			fmt.Fprintf(&b, "ALTER TABLE %s OWNER TO %s;\n", relation, to)
		}
		// In one round trip, which is one transaction.
		if _, err := c.PgConn().Exec(ctx, b.String()).ReadAll(); err != nil {
			return err
		}
		relations = relations[n:]
	}
	for _, sql := range []string{`REASSIGN OWNED BY ` + from + ` TO ` + to, `DROP OWNED BY ` + from} {
		if _, err := c.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// runLater runs what the dump says about the owner: ALTER DEFAULT PRIVILEGES, FORCE ROW
// LEVEL SECURITY. Neither executes anything.
func (r *restore) runLater(ctx context.Context) error {
	if len(r.later) == 0 {
		return nil
	}
	c, err := r.s.App(ctx, r.journal.New)
	if err != nil {
		return err
	}
	defer engine.Close(c)
	for _, sql := range r.later {
		// One statement and no more, by the protocol.
		if res := c.PgConn().ExecParams(ctx, sql, nil, nil, nil, nil).Read(); res.Err != nil {
			if ctx.Err() != nil || c.IsClosed() {
				return fmt.Errorf("restore into database %q: %w, in: %s", r.o.Database, res.Err, sql)
			}
			kind, name := sqldump.OfOwner([]byte(sql))
			text := fmt.Sprintf("%s %s: left out: %v, in: %s", kind, name, res.Err, sql)
			if name == "" {
				name = r.s.AppRole
				text = fmt.Sprintf("default privileges of role %q were left out: %v, in: %s", name, res.Err, sql)
			}
			r.rep.LeftOut = append(r.rep.LeftOut, load.Omission{Kind: kind, Name: name, Text: text})
		}
	}
	return nil
}
