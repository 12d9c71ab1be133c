package odoodb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sys/unix"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/interrupt"
	"github.com/odpm/odpm/shared/shell"
)

// DropReport says what was dropped.
type DropReport struct {
	Database, Owner string
	// Sessions is how many connections were ended.
	Sessions int
	// Filestore is the directory that was removed, "" where there was none.
	// FilestoreKept: it was emptied, and is there for the next database of the name.
	Filestore     string
	FilestoreKept bool
}

// missingError is a database that does not exist.
type missingError struct{ database string }

func (e *missingError) Error() string {
	return fmt.Sprintf("database %q does not exist; odpm database list shows the ones that do", e.database)
}

// IsMissing says whether the work failed because the database does not exist.
func IsMissing(err error) bool {
	var e *missingError
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

// Holders names what holds the database and how to let go, if err says so.
func Holders(err error) []string {
	var e *heldError
	if errors.As(err, &e) {
		return e.holders
	}
	return nil
}

// dbinfo is a database's row in pg_database.
type dbinfo struct {
	OID               uint32
	Owner, Tablespace string
	Template, AllowC  bool
}

// lookup finds a database; a missing one is a missingError.
func lookup(ctx context.Context, q querier, database string) (dbinfo, error) {
	var i dbinfo
	err := q.QueryRow(ctx, `SELECT d.oid, pg_catalog.pg_get_userbyid(datdba), spcname, datistemplate, datallowconn
		FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON t.oid OPERATOR(pg_catalog.=) d.dattablespace
		WHERE datname OPERATOR(pg_catalog.=) $1::pg_catalog.name`, database).
		Scan(&i.OID, &i.Owner, &i.Tablespace, &i.Template, &i.AllowC)
	if errors.Is(err, pgx.ErrNoRows) {
		return i, &missingError{database}
	}
	return i, err
}

// serverMajor is server_version_num / 10000.
func serverMajor(ctx context.Context, q querier) (int, error) {
	var num int
	err := q.QueryRow(ctx, `SELECT pg_catalog.current_setting('server_version_num')::int`).Scan(&num)
	return num / 10000, err
}

// preparedHolders names the prepared transactions of a database: neither a
// drop nor a rename is possible while there is one.
func preparedHolders(ctx context.Context, q querier, database string) ([]string, error) {
	return collect(ctx, q, `SELECT pg_catalog.format('prepared transaction %L of role %I, prepared %s; end it with: ROLLBACK PREPARED %L;',
		gid, owner, pg_catalog.to_char(prepared, 'YYYY-MM-DD HH24:MI:SS TZ'::pg_catalog.text), gid)
		FROM pg_catalog.pg_prepared_xacts WHERE database OPERATOR(pg_catalog.=) $1::pg_catalog.name ORDER BY prepared`, database)
}

// dropHolders names everything that stands against dropping a database.
// An inactive logical slot is among it although PostgreSQL would not complain:
// it drops such a slot silently, and with it somebody's replication.
func dropHolders(ctx context.Context, q querier, database string) ([]string, error) {
	held, err := preparedHolders(ctx, q, database)
	if err != nil {
		return nil, err
	}
	for _, sql := range []string{
		`SELECT pg_catalog.format('%s replication slot %L (plugin %s); if nobody needs it: SELECT pg_drop_replication_slot(%L);',
			CASE WHEN active THEN 'active' ELSE 'inactive' END, slot_name, plugin, slot_name)
			FROM pg_catalog.pg_replication_slots WHERE database OPERATOR(pg_catalog.=) $1::pg_catalog.name ORDER BY slot_name`,
		`SELECT pg_catalog.format('subscription %I; in that database: DROP SUBSCRIPTION %I;', subname, subname)
			FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) s.subdbid
			WHERE d.datname OPERATOR(pg_catalog.=) $1::pg_catalog.name ORDER BY subname`,
	} {
		more, err := collect(ctx, q, sql, database)
		if err != nil {
			return nil, err
		}
		held = append(held, more...)
	}
	return held, nil
}

func collect(ctx context.Context, q querier, sql string, args ...any) ([]string, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// Drop removes a database and then, only then, its file store.
func (s *Server) Drop(ctx context.Context, database string) (DropReport, error) {
	rep := DropReport{Database: database}
	if err := checkTarget(database); err != nil {
		return rep, err
	}
	c, err := s.admin(ctx, maintenance)
	if err != nil {
		return rep, err
	}
	defer closeConn(c)
	info, err := lookup(ctx, c, database)
	if err != nil {
		return rep, err
	}
	rep.Owner = info.Owner
	held, err := dropHolders(ctx, c, database)
	if err != nil {
		return rep, err
	}
	ours := isLeftOver(database) // a template is what hides it from Odoo
	if info.Template && !ours {
		held = append(held, fmt.Sprintf("that it is a template; to allow dropping it: ALTER DATABASE %s IS_TEMPLATE false;", ident(database)))
	}
	if len(held) > 0 {
		return rep, &heldError{database, info.Owner, held}
	}
	// What would be in the way at the end is said before anything is gone.
	if err := s.removable(database); err != nil {
		return rep, err
	}
	j, err := s.beginDrop(ctx, c, database, info)
	if err != nil {
		return rep, err
	}
	fault("drop begun")
	err = s.unblocked(ctx, sessionOf(c.Conn), func(ctx context.Context) (err error) {
		rep.Sessions, err = dropDatabase(ctx, c, database, info)
		return err
	})
	if IsLocked(err) {
		err = fmt.Errorf("database %q was not dropped: %w", database, err)
	}
	if err != nil {
		done, uerr := s.undoDrop(ctx, j)
		if uerr == nil && done.Completed {
			rep.Filestore = done.Filestore
			rep.FilestoreKept = rep.Filestore != "" && s.Files.Recorded(database)
			return rep, nil
		}
		return rep, errors.Join(err, uerr)
	}
	fault("drop done")
	if ours {
		if _, err := dropLoader(ctx, c, database); err != nil {
			return rep, err
		}
	}
	if rep.Filestore, err = s.removeFilestore(ctx, database); err != nil {
		return rep, err
	}
	rep.FilestoreKept = rep.Filestore != "" && s.Files.Recorded(database)
	fault("drop emptied")
	return rep, removeJournal(j.path)
}

// dropDatabase ends the database's sessions, drops it and looks whether it is gone.
func dropDatabase(ctx context.Context, c *cluster.Session, database string, info dbinfo) (sessions int, err error) {
	major, err := serverMajor(ctx, c)
	if err != nil {
		return 0, err
	}
	err = c.QueryRow(ctx, `SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity
		WHERE datid OPERATOR(pg_catalog.=) $1::pg_catalog.oid AND backend_type OPERATOR(pg_catalog.=) 'client backend'::pg_catalog.text`, info.OID).Scan(&sessions)
	if err != nil {
		return 0, err
	}
	if info.Template { // of odpm's own, as Drop has seen
		if _, err := c.Exec(ctx, `ALTER DATABASE `+ident(database)+` IS_TEMPLATE false`); err != nil {
			return sessions, err
		}
	}
	if major >= 13 {
		_, err = c.Exec(ctx, `DROP DATABASE `+ident(database)+` WITH (FORCE)`)
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
		return sessions, fmt.Errorf("database %q (owner %q) is still there after DROP DATABASE", database, info.Owner)
	}
	return sessions, nil
}

// dropWithoutForce does what WITH (FORCE) does on 13 and later: nobody new may
// come in, those who are in are ended, until the drop succeeds. The caller opens
// the database again where it does not.
func dropWithoutForce(ctx context.Context, c *cluster.Session, database string, info dbinfo) error {
	if _, err := c.Exec(ctx, `ALTER DATABASE `+ident(database)+` ALLOW_CONNECTIONS false`); err != nil {
		return err
	}
	fault("drop closed")
	var err error
	for range 5 {
		if err = endSessions(ctx, c, info.OID); err != nil {
			break
		}
		// PostgreSQL itself waits five seconds for sessions to end.
		_, err = c.Exec(ctx, `DROP DATABASE `+ident(database))
		var pgErr *pgconn.PgError
		if err == nil || !errors.As(err, &pgErr) || pgErr.Code != "55006" {
			break
		}
	}
	return err
}

// endSessions terminates everybody in a database but ourselves.
func endSessions(ctx context.Context, c *cluster.Session, oid uint32) error {
	_, err := c.Exec(ctx, `SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
		WHERE datid OPERATOR(pg_catalog.=) $1::pg_catalog.oid AND pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()`, oid)
	return err
}

// dropRefused turns PostgreSQL's refusal into one that names owner and holders.
func dropRefused(ctx context.Context, c *cluster.Session, database string, info dbinfo, err error) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return err
	}
	switch pgErr.Code {
	case "42501":
		return fmt.Errorf("database %q belongs to role %q, and this login may not drop it: %w", database, info.Owner, err)
	case "55006":
		held, herr := dropHolders(ctx, c, database)
		if herr != nil {
			return errors.Join(err, herr)
		}
		more, herr := collect(ctx, c, `SELECT pg_catalog.format('session %s of role %I (%s)', pid, usename,
			CASE WHEN application_name OPERATOR(pg_catalog.<>) ''::pg_catalog.text THEN application_name ELSE backend_type END)
			FROM pg_catalog.pg_stat_activity WHERE datid OPERATOR(pg_catalog.=) $1::pg_catalog.oid AND pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()`, info.OID)
		if herr != nil {
			return errors.Join(err, herr)
		}
		if held = append(held, more...); len(held) > 0 {
			return &heldError{database, info.Owner, held}
		}
	}
	return fmt.Errorf("drop database %q (owner %q): %w", database, info.Owner, err)
}

// removable tells, before a database is dropped, that its file store could not
// be removed after it. A link in its place is refused as well: nothing that it
// leads to would be removed, and the drop would not be one.
func (s *Server) removable(database string) error {
	home, err := s.Files.Home(database)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		defer home.Close()
		err = home.Removable()
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS):
		return fmt.Errorf("database %q was not dropped: its file store could not be removed after it: %w. Drop it as a user who may remove them: sudo odpm -d %s --db-drop", database, err, shell.Quote(database))
	}
	return fmt.Errorf("database %q was not dropped: its file store: %w", database, err)
}

// removeFilestore deletes the attachments of a database that no longer exists.
func (s *Server) removeFilestore(ctx context.Context, database string) (string, error) {
	dir := s.filestore(database)
	home, err := s.Files.Home(database)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	var there bool
	if err == nil {
		defer home.Close()
		there, err = home.Drop(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("database %q is dropped, but its file store remains (%w); remove it with: sudo rm -rf %s", database, err, shell.Quote(dir))
	}
	if !there {
		return "", nil
	}
	return dir, nil
}

// HasFilestore says whether there is a file store for a database, or anything
// in its place, which is not to be removed then.
func (s *Server) HasFilestore(database string) bool {
	home, err := s.Files.Home(database)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err != nil {
		return true
	}
	defer home.Close()
	filled, err := home.Filled(home.Live)
	return filled || err != nil
}

// cleaning is what a server may take for it. The next run does what is left.
const cleaning = 15 * time.Second

// detached is for cleaning up after the work's own context ended.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return interrupt.Cleanup(ctx, cleaning)
}
