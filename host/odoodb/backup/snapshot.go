package backup

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/tables"
	"github.com/odpm/odpm/host/odoodb/verify"
)

// snapshot is one moment of a database, which pg_dump and our own queries see
// alike for as long as the connection's transaction is open.
type snapshot struct {
	dumper
	c *pgx.Conn
	// id is what pg_dump --snapshot takes.
	id string
	// heap and toast are the sizes of the tables without indexes.
	heap, toast int64

	// base is the version of the module base, "" where it is not Odoo's.
	base    string
	modules map[string]string
	// encoding is the database's.
	encoding string
	// pgVersion is server_version_num.
	pgVersion int
	// stored are the names of the attachments' files in the file store, elsewhere
	// what they have in other storages.
	stored    []string
	elsewhere verify.Elsewhere
}

func (sn *snapshot) close() { engine.Close(sn.c) }

// notReadable counts what pg_dump could not dump as role $1: what the role has
// no privilege for, tables of which a row security policy would hide rows from
// it (pg_dump refuses them then), and other roles' large objects.
const notReadable = `SELECT (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
		WHERE n.nspname OPERATOR(pg_catalog.<>) 'information_schema'::pg_catalog.name
		AND NOT pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_'::pg_catalog.text)
		AND c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p', 'm', 'S', 'f', 'v']::pg_catalog."char"[])
		AND (NOT (pg_catalog.has_table_privilege(r.oid, c.oid, 'SELECT'::pg_catalog.text) AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE'::pg_catalog.text))
			OR c.relrowsecurity AND NOT (r.rolsuper OR r.rolbypassrls)
				AND (c.relforcerowsecurity OR NOT pg_catalog.pg_has_role(r.oid, c.relowner, 'USAGE'::pg_catalog.text))))
	OPERATOR(pg_catalog.+) (SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata l
		WHERE NOT pg_catalog.pg_has_role(r.oid, l.lomowner, 'USAGE'::pg_catalog.text))
	FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) $1::pg_catalog.name`

// dumper is who dumps.
type dumper struct {
	login engine.Login
	// super: the administrator.
	super bool
}

// dumperOf finds out who dumps: the application role, as Odoo itself would do it, and
// the administrator only where that role may not read everything.
func dumperOf(ctx context.Context, s *server.Server, database string) (d dumper, unreadable int, err error) {
	c, err := s.Administrator(ctx, database)
	if err != nil {
		return d, 0, err
	}
	defer engine.Close(c)
	d.login = engine.Login{User: s.AppRole, Password: s.AppPassword, Database: database}
	var known bool
	if err := c.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) $1::pg_catalog.name AND rolcanlogin)`, s.AppRole).Scan(&known); err != nil {
		return d, 0, err
	}
	if known {
		err = c.QueryRow(ctx, notReadable, s.AppRole).Scan(&unreadable)
		if err != nil || unreadable == 0 {
			return d, 0, err
		}
	}
	d.super = true
	d.login.User, d.login.Password = c.Config().User, c.Config().Password
	return d, unreadable, nil
}

// open gives a session of the dumper's.
func (d dumper) open(ctx context.Context, s *server.Server) (*pgx.Conn, error) {
	if !d.super {
		return s.Owner(ctx, s.PG, d.login)
	}
	c, err := s.Administrator(ctx, d.login.Database)
	if err != nil {
		return nil, err
	}
	if _, err := c.Exec(ctx, `SELECT pg_catalog.set_config('application_name', $1::pg_catalog.text, false)`, d.login.ApplicationName); err != nil {
		engine.Close(c)
		return nil, err
	}
	return c.Conn, nil
}

// takeSnapshot opens a database's snapshot. While use runs, Odoo's collector of
// unreferenced files waits: it wants ir_attachment IN SHARE MODE, and somebody
// holds it in the mode that writers take. So every file that the snapshot
// refers to is there until use has returned, and Odoo's users notice nothing.
//
// The login's ApplicationName is what all of the backup's sessions are found by.
func takeSnapshot(ctx context.Context, s *server.Server, d dumper, use func(*snapshot) error) (_ *snapshot, err error) {
	sn := &snapshot{dumper: d}
	guard, err := d.open(ctx, s)
	if err != nil {
		return nil, err
	}
	defer engine.Close(guard) // and with its transaction the lock
	if err := holdAttachments(ctx, guard); err != nil {
		return nil, err
	}
	if sn.c, err = d.open(ctx, s); err != nil {
		return nil, err
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
	if err := sn.read(ctx); err != nil {
		return nil, fmt.Errorf("read database %q: %w", d.login.Database, err)
	}
	return sn, use(sn)
}

// holdAttachments takes the lock; a database without the table needs none.
func holdAttachments(ctx context.Context, c *pgx.Conn) error {
	cols, err := tables.Columns(ctx, c, "ir_attachment")
	if err != nil || len(cols) == 0 {
		return err
	}
	// The watch over locks ends the wait, and says who holds it.
	for _, sql := range []string{`BEGIN`, `LOCK TABLE public.ir_attachment IN ROW EXCLUSIVE MODE`} {
		if _, err := c.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

func (sn *snapshot) read(ctx context.Context) error {
	err := sn.c.QueryRow(ctx, `SELECT pg_catalog.pg_export_snapshot(), pg_catalog.current_setting('server_version_num')::int, pg_catalog.getdatabaseencoding()::pg_catalog.text`).Scan(&sn.id, &sn.pgVersion, &sn.encoding)
	if err != nil {
		return err
	}
	err = sn.c.QueryRow(ctx, `SELECT coalesce(pg_catalog.sum(pg_catalog.pg_relation_size(c.oid)), 0::numeric)::bigint,
		coalesce(pg_catalog.sum(CASE WHEN c.reltoastrelid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid THEN pg_catalog.pg_relation_size(c.reltoastrelid) END), 0::numeric)::bigint
		FROM pg_catalog.pg_class c WHERE c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'm']::pg_catalog."char"[]) AND c.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid`).Scan(&sn.heap, &sn.toast)
	if err != nil {
		return err
	}
	all, err := tables.Modules(ctx, sn.c, sn.login.Database)
	if err == nil {
		sn.base, err = tables.BaseOf(all, sn.login.Database)
	}
	if tables.IsNotOdoo(err) {
		return nil
	}
	if err != nil {
		return err
	}
	sn.modules = installedVersions(all)
	sn.stored, sn.elsewhere, err = verify.StoredFiles(ctx, sn.c)
	return err
}

// clientEncoding is UTF8, except for a database in SQL_ASCII: the server could
// not convert its bytes, and refuses to send those that are not UTF-8 as such.
func (sn *snapshot) clientEncoding() string {
	if sn.encoding == "SQL_ASCII" {
		return sn.encoding
	}
	return "UTF8"
}

// dumpCommand is pg_dump of the snapshot.
func (sn *snapshot) dumpCommand(args ...string) engine.Command {
	cmd := engine.Command{
		Argv: append([]string{"pg_dump", "--no-owner", "--no-password", "--snapshot=" + sn.id, "-U", sn.login.User, "-d", server.Conninfo(sn.login.Database)}, args...),
		Env:  []string{"PGAPPNAME=" + sn.login.ApplicationName, "PGCLIENTENCODING=" + sn.clientEncoding()},
	}
	switch {
	case sn.super:
		cmd.Env = append(cmd.Env, cluster.AdminOptions(sn.pgVersion/10000))
	case sn.c.Config().RuntimeParams["search_path"] != "": // else a pooler has refused them
		cmd.Env = append(cmd.Env, cluster.OwnerOptions(sn.pgVersion/10000))
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
func endBackup(ctx context.Context, s *server.Server, id string) error {
	c, err := s.Administrator(ctx, server.Maintenance)
	if err != nil {
		return err
	}
	defer engine.Close(c)
	_, err = c.Exec(ctx, `SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE application_name OPERATOR(pg_catalog.=) $1::pg_catalog.text`, backupApp(id))
	return err
}
