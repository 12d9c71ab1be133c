package odoodb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/tables"
	"github.com/odpm/odpm/shared/beneath"
)

// lookInto looks into one database. Another database's trouble is no reason
// not to list the rest, so it has its own time limit and no error; answered is
// false where the limit has ended it. With skip it does not ask the server.
func lookInto(ctx context.Context, s *server.Server, d *Database, skip bool) (answered bool) {
	switch {
	case server.IsLeftOver(d.Name):
		d.State = LeftOverState
		return true
	case d.Marked:
		d.State = Invalid
		return true
	case !d.AllowConnections:
		d.State = Closed
		return true
	case skip:
		d.State, d.Reason = Unreadable, fmt.Sprintf("skipped: %d others did not answer within %s each", maxSilent, inspectTime)
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, inspectTime)
	defer cancel()
	err := inspectAsOwner(ctx, s, d)
	if err != nil && ctx.Err() == nil && !server.IsLocked(err) && !server.IsInvalid(err) {
		var c *cluster.Session
		if c, err = s.Administrator(ctx, d.Name); err == nil {
			defer engine.Close(c)
			err = inspectOdoo(ctx, s, c.Conn, d)
		}
	}
	var pgErr *pgconn.PgError
	switch {
	case server.IsInvalid(err):
		d.State = Invalid
		return true
	case errors.As(err, &pgErr) && pgErr.Code == "3D000":
		d.State, d.Reason = Unreadable, "it has been dropped since"
	case err != nil:
		d.State, d.Reason = Unreadable, err.Error()
	}
	return err == nil || ctx.Err() == nil
}

// inspectAsOwner looks as whom the database belongs to, where that is the
// application role.
func inspectAsOwner(ctx context.Context, s *server.Server, d *Database) error {
	if d.Owner != s.AppRole {
		return errors.New("it belongs to another role")
	}
	c, err := s.App(ctx, d.Name)
	if err != nil {
		return err
	}
	defer engine.Close(c)
	return inspectOdoo(ctx, s, c, d)
}

// explain says of odpm's own databases, and of one whose connections a swap has
// closed, what becomes of them.
func (d *Database) explain(p purpose) {
	switch {
	case d.State == LeftOverState && p.journal != "":
		d.Reason = fmt.Sprintf("belongs to a restore of %s that was interrupted or is still running; the next run of odpm cleans it up", p.target)
	case d.State == LeftOverState:
		d.Reason = "left over from an unknown run; to drop it: " + remedy(d.Name)
	case d.State == Invalid && p.journal != "":
		d.Reason = "PostgreSQL was interrupted while dropping it; the next run of odpm drops the rest"
	case d.State == Invalid:
		d.Reason = "PostgreSQL was interrupted while dropping it; to drop the rest: " + remedy(d.Name)
	case d.State == Closed && p.journal != "":
		d.Reason = "complete, but closed by a restore that was interrupted or is still running; the next run of odpm opens it again"
	}
}

// inspectOdoo reads what is in a database, or names who keeps it from that.
func inspectOdoo(ctx context.Context, s *server.Server, c *pgx.Conn, d *Database) error {
	return s.Watched(ctx, server.SessionOf(c), cmp.Or(s.LockWait, inspectTime/2), nil, func(ctx context.Context) error { return inspect(ctx, c, d) })
}

func inspect(ctx context.Context, c *pgx.Conn, d *Database) error {
	v, err := tables.BaseAtOnce(ctx, c, d.Name)
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		v, err = tables.BaseVersion(ctx, c, d.Name)
	}
	switch {
	case err == nil:
		d.initialised(v)
		return nil
	case !tables.IsNotOdoo(err):
		return err
	}
	var tables bool
	err = c.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
		WHERE c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p', 'f']::pg_catalog."char"[])
		AND n.nspname OPERATOR(pg_catalog.<>) ALL (ARRAY['pg_catalog', 'information_schema']::pg_catalog.name[])
		AND NOT pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_toast'::pg_catalog.text)
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend p WHERE p.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
			AND p.objid OPERATOR(pg_catalog.=) c.oid AND p.deptype OPERATOR(pg_catalog.=) 'e'::pg_catalog."char"))`).Scan(&tables)
	d.State = Empty
	if tables {
		d.State = Other
	}
	return err
}

// countFiles looks at a database's file store.
func countFiles(s *server.Server, d *Database) {
	d.Filestore = s.Files.Path(d.Name)
	d.FilestoreState, d.Files, d.FilestoreBytes = FilestoreMissing, 0, 0
	home, err := s.Files.Home(d.Name)
	var store *filestore.Store
	if err == nil {
		defer home.Close()
		store, err = home.Open(home.Live)
	}
	var kind *beneath.KindError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return
	case errors.As(err, &kind):
		d.FilestoreReason = err.Error()
		return
	case err != nil:
		d.FilestoreState, d.Files, d.FilestoreBytes = FilestoreUnknown, -1, -1
		if !errors.Is(err, fs.ErrPermission) {
			d.FilestoreReason = err.Error()
		}
		return
	}
	defer store.Close()
	d.FilestoreState = FilestorePresent
	err = store.Each(func(name string) bool { return name == filestore.Checklist }, func(_ string, size int64) error {
		d.FilestoreBytes += size
		if d.Files++; d.Files > countLimit {
			return fs.ErrInvalid
		}
		return nil
	})
	if err != nil {
		d.Files, d.FilestoreBytes = -1, -1
	}
}
