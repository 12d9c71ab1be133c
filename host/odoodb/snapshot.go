package odoodb

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/host/engine"
)

// snapshot is one moment of a database, which pg_dump and our own queries see
// alike for as long as the connection's transaction is open.
type snapshot struct {
	login engine.Login
	c     *pgx.Conn
	// id is what pg_dump --snapshot takes.
	id string
	// heap and toast are the sizes of the tables without indexes.
	heap, toast int64

	// base is the version of the module base, "" where it is not Odoo's.
	base    string
	modules map[string]string
	// pgVersion is server_version_num.
	pgVersion int
	// stored are the names of the attachments' files.
	stored []string
}

func (sn *snapshot) close() { closeConn(sn.c) }

// noTimeouts: a limit that somebody set on the role or the database is for
// Odoo's requests and would end the snapshot in the middle of a dump.
const noTimeouts = `SELECT pg_catalog.set_config(name, '0', true) FROM pg_catalog.pg_settings
	WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout', 'lock_timeout')`

// notReadable counts what pg_dump could not dump as role $1: what the role has
// no privilege for, tables of which a row security policy would hide rows from
// it (pg_dump refuses them then), and other roles' large objects.
const notReadable = `SELECT (SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_%' AND c.relkind IN ('r', 'p', 'm', 'S', 'f', 'v')
		AND (NOT (pg_catalog.has_table_privilege(r.oid, c.oid, 'SELECT') AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE'))
			OR c.relrowsecurity AND NOT (r.rolsuper OR r.rolbypassrls)
				AND (c.relforcerowsecurity OR NOT pg_catalog.pg_has_role(r.oid, c.relowner, 'USAGE'))))
	+ (SELECT count(*) FROM pg_catalog.pg_largeobject_metadata l WHERE NOT pg_catalog.pg_has_role(r.oid, l.lomowner, 'USAGE'))
	FROM pg_catalog.pg_roles r WHERE r.rolname = $1`

// dumper is who dumps: the application role, as Odoo itself would do it, and
// the administrator only where that role may not read everything.
func (s *Server) dumper(ctx context.Context, database string) (login engine.Login, unreadable int, err error) {
	c, err := s.admin(ctx, database)
	if err != nil {
		return login, 0, err
	}
	defer closeConn(c)
	login = engine.Login{User: s.AppRole, Password: s.AppPassword, Database: database}
	var known bool
	if err := c.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = $1 AND rolcanlogin)`, s.AppRole).Scan(&known); err != nil {
		return login, 0, err
	}
	if known {
		err = c.QueryRow(ctx, notReadable, s.AppRole).Scan(&unreadable)
		if err != nil || unreadable == 0 {
			return login, 0, err
		}
	}
	login.User, login.Password = c.Config().User, c.Config().Password
	return login, unreadable, nil
}

// takeSnapshot opens a database's snapshot. While use runs, Odoo's collector of
// unreferenced files waits: it wants ir_attachment IN SHARE MODE, and somebody
// holds it in the mode that writers take. So every file that the snapshot
// refers to is there until use has returned, and Odoo's users notice nothing.
//
// login.ApplicationName is what all of the backup's sessions are found by.
func (s *Server) takeSnapshot(ctx context.Context, login engine.Login, use func(*snapshot) error) (_ *snapshot, err error) {
	sn := &snapshot{login: login}
	guard, err := engine.Connect(ctx, s.PG, login)
	if err != nil {
		return nil, fmt.Errorf("log in to database %q as role %q: %w", login.Database, login.User, err)
	}
	defer closeConn(guard) // and with its transaction the lock
	if err := holdAttachments(ctx, guard, login.Database); err != nil {
		return nil, err
	}
	if sn.c, err = engine.Connect(ctx, s.PG, login); err != nil {
		return nil, fmt.Errorf("log in to database %q as role %q: %w", login.Database, login.User, err)
	}
	defer func() {
		if err != nil {
			sn.close()
		}
	}()
	// Not before the lock: what committed while we waited must be seen.
	if _, err := sn.c.Exec(ctx, `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`); err != nil {
		return nil, err
	}
	if _, err := sn.c.Exec(ctx, noTimeouts); err != nil {
		return nil, err
	}
	if err := sn.read(ctx); err != nil {
		return nil, fmt.Errorf("read database %q: %w", login.Database, err)
	}
	return sn, use(sn)
}

// holdAttachments takes the lock; a database without the table needs none.
func holdAttachments(ctx context.Context, c *pgx.Conn, database string) error {
	cols, err := columns(ctx, c, "ir_attachment")
	if err != nil || len(cols) == 0 {
		return err
	}
	for _, sql := range []string{`BEGIN`, noTimeouts, `SET LOCAL lock_timeout = '60s'`} {
		if _, err := c.Exec(ctx, sql); err != nil {
			return err
		}
	}
	_, err = c.Exec(ctx, `LOCK TABLE public.ir_attachment IN ROW EXCLUSIVE MODE`)
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.Code == "55P03" {
		return fmt.Errorf("database %q: the table ir_attachment has been locked for a minute, by a module update or by Odoo's file collector; try again when it is done: %w", database, err)
	}
	return err
}

func (sn *snapshot) read(ctx context.Context) error {
	err := sn.c.QueryRow(ctx, `SELECT pg_catalog.pg_export_snapshot(), current_setting('server_version_num')::int`).Scan(&sn.id, &sn.pgVersion)
	if err != nil {
		return err
	}
	err = sn.c.QueryRow(ctx, `SELECT coalesce(sum(pg_catalog.pg_relation_size(c.oid)), 0)::bigint,
		coalesce(sum(CASE WHEN c.reltoastrelid <> 0 THEN pg_catalog.pg_relation_size(c.reltoastrelid) END), 0)::bigint
		FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'm') AND c.oid >= 16384`).Scan(&sn.heap, &sn.toast)
	if err != nil {
		return err
	}
	sn.base, err = baseVersion(ctx, sn.c, sn.login.Database)
	if IsNotOdoo(err) {
		return nil
	}
	if err != nil {
		return err
	}
	rows, err := sn.c.Query(ctx, `SELECT name::text, coalesce(latest_version, '')::text FROM public.ir_module_module WHERE state = 'installed'`)
	if err != nil {
		return err
	}
	sn.modules = map[string]string{}
	var name, version string
	if _, err = pgx.ForEachRow(rows, []any{&name, &version}, func() error { sn.modules[name] = version; return nil }); err != nil {
		return err
	}
	sn.stored, err = storedFiles(ctx, sn.c)
	return err
}

// dumpCommand is pg_dump of the snapshot.
func (sn *snapshot) dumpCommand(args ...string) engine.Command {
	cmd := engine.Command{
		Argv: append([]string{"pg_dump", "--no-owner", "--no-password", "--snapshot=" + sn.id, "-U", sn.login.User, "-d", conninfo(sn.login.Database)}, args...),
		Env:  []string{"PGAPPNAME=" + sn.login.ApplicationName, "PGCLIENTENCODING=UTF8"},
	}
	if sn.login.Password != "" {
		cmd.Env = append(cmd.Env, "PGPASSWORD="+sn.login.Password)
	}
	return cmd
}

// backupApp is the application_name of a backup's sessions.
func backupApp(id string) string { return "odpm backup " + id }

// endBackup ends what is left of a backup in the server: pg_dump in a container
// outlives the client that started it, and its locks with it.
func (s *Server) endBackup(ctx context.Context, id string) error {
	c, err := s.admin(ctx, maintenance)
	if err != nil {
		return err
	}
	defer closeConn(c)
	_, err = c.Exec(ctx, `SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE application_name = $1`, backupApp(id))
	return err
}

// conninfo names a database to a client program in a way that is never taken
// for something else: the programs take "a=b" for a connection string.
func conninfo(database string) string {
	return `dbname='` + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(database) + `'`
}
