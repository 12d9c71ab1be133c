package drop

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/odoodb/fault"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/tables"
	"github.com/odpm/odpm/host/quote"
)

// dropDatabase ends the database's sessions, drops it and looks whether it is gone.
func dropDatabase(ctx context.Context, c *cluster.Session, database string, info server.Info) (sessions int, err error) {
	major, err := server.Major(ctx, c)
	if err != nil {
		return 0, err
	}
	err = c.QueryRow(ctx, `SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity
		WHERE datid OPERATOR(pg_catalog.=) $1::pg_catalog.oid AND backend_type OPERATOR(pg_catalog.=) 'client backend'::pg_catalog.text`, info.OID).Scan(&sessions)
	if err != nil {
		return 0, err
	}
	if info.Template { // of odpm's own, as Database has seen
		if _, err := c.Exec(ctx, `ALTER DATABASE `+quote.Ident(database)+` IS_TEMPLATE false`); err != nil {
			return sessions, err
		}
	}
	if major >= 13 {
		_, err = c.Exec(ctx, `DROP DATABASE `+quote.Ident(database)+` WITH (FORCE)`)
	} else {
		err = dropWithoutForce(ctx, c, database, info)
	}
	if err != nil {
		return sessions, dropRefused(ctx, c, database, info, err)
	}
	// A statement that did nothing must not be reported as done.
	var still bool
	if err := c.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE oid OPERATOR(pg_catalog.=) $1::pg_catalog.oid)`, info.OID).Scan(&still); err != nil {
		return sessions, err
	}
	if still {
		return sessions, fmt.Errorf("database %q (owner %q) still exists after DROP DATABASE", database, info.Owner)
	}
	return sessions, nil
}

// dropWithoutForce does what WITH (FORCE) does on 13 and later: nobody new may
// come in, those who are in are ended, until the drop succeeds. The caller opens
// the database again where it does not.
func dropWithoutForce(ctx context.Context, c *cluster.Session, database string, info server.Info) error {
	if !info.Invalid { // into which nobody comes, and which cannot be altered
		if _, err := c.Exec(ctx, `ALTER DATABASE `+quote.Ident(database)+` ALLOW_CONNECTIONS false`); err != nil {
			return err
		}
	}
	fault.At("drop closed")
	var err error
	for range 5 {
		if err = EndSessions(ctx, c, info.OID); err != nil {
			break
		}
		// PostgreSQL itself waits five seconds for sessions to end.
		_, err = c.Exec(ctx, `DROP DATABASE `+quote.Ident(database))
		var pgErr *pgconn.PgError
		if err == nil || !errors.As(err, &pgErr) || pgErr.Code != "55006" {
			break
		}
	}
	return err
}

// EndSessions terminates everybody in a database but ourselves.
func EndSessions(ctx context.Context, c *cluster.Session, oid uint32) error {
	_, err := c.Exec(ctx, `SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
		WHERE datid OPERATOR(pg_catalog.=) $1::pg_catalog.oid AND pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()`, oid)
	return err
}

// dropRefused turns PostgreSQL's refusal into one that names owner and holders.
func dropRefused(ctx context.Context, c *cluster.Session, database string, info server.Info, err error) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return err
	}
	switch pgErr.Code {
	case "42501":
		return fmt.Errorf("database %q belongs to role %q, and this login may not drop it: %w", database, info.Owner, err)
	case "55006":
		held, herr := Holders(ctx, c, database)
		if herr != nil {
			return errors.Join(err, herr)
		}
		more, herr := tables.Collect(ctx, c, `SELECT pg_catalog.format('session %s of role %I (%s)', pid, usename,
			CASE WHEN application_name OPERATOR(pg_catalog.<>) ''::pg_catalog.text THEN application_name ELSE backend_type END)
			FROM pg_catalog.pg_stat_activity WHERE datid OPERATOR(pg_catalog.=) $1::pg_catalog.oid AND pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()`, info.OID)
		if herr != nil {
			return errors.Join(err, herr)
		}
		if held = append(held, more...); len(held) > 0 {
			return server.HeldBy(database, info.Owner, held)
		}
	}
	return fmt.Errorf("drop database %q (owner %q): %w", database, info.Owner, err)
}

// Hidden drops a database of odpm's own making, if it is the one with this
// oid. One that is gone by then is gone: a drop that a killed run sent may end
// only now.
func Hidden(ctx context.Context, c *cluster.Session, database string, oid uint32) error {
	info, err := server.Lookup(ctx, c, database)
	if server.IsMissing(err) || err == nil && oid != 0 && info.OID != oid {
		return nil
	}
	if err != nil {
		return err
	}
	fault.At("dropping")
	if info.Template {
		_, err = c.Exec(ctx, `ALTER DATABASE `+quote.Ident(database)+` IS_TEMPLATE false`)
	}
	if err == nil {
		_, err = dropDatabase(ctx, c, database, info)
	}
	if err != nil {
		if name, lerr := server.ByOID(ctx, c, info.OID); lerr == nil && name == "" {
			return nil
		}
	}
	return err
}

// Loader drops a restore's role, if it is there. kept says why PostgreSQL
// keeps it: somebody has given it privileges in another database.
func Loader(ctx context.Context, c *cluster.Session, role string) (kept, err error) {
	var there bool
	if err := c.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) $1::pg_catalog.name)`, role).Scan(&there); err != nil || !there {
		return nil, err
	}
	// Privileges on what all databases share.
	if _, err := c.Exec(ctx, `DROP OWNED BY `+quote.Ident(role)); err != nil {
		return nil, err
	}
	_, err = c.Exec(ctx, `DROP ROLE `+quote.Ident(role))
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.Code == "2BP01" {
		kept = fmt.Errorf("%w (%s)", err, pgErr.Detail)
		_, err = c.Exec(ctx, `ALTER ROLE `+quote.Ident(role)+` NOLOGIN PASSWORD NULL`)
	}
	return kept, err
}
