package odoodb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/shared/beneath"
)

// DatabaseState says what a database is to Odoo.
type DatabaseState string

const (
	// Initialised has the module base installed.
	Initialised DatabaseState = "initialised"
	// Empty has no table: odpm or Odoo created it and nothing was installed.
	Empty DatabaseState = "empty"
	// Other has tables, and they are not Odoo's.
	Other DatabaseState = "other"
	// LeftOverState is odpm's own unfinished or replaced database; see LeftOvers.
	LeftOverState DatabaseState = "left over by odpm"
	// Closed lets nobody in (ALLOW_CONNECTIONS false), as --keep-old leaves a
	// replaced database: what is in it cannot be seen.
	Closed DatabaseState = "closed"
	// Unreadable could not be looked at; Reason says why.
	Unreadable DatabaseState = "unreadable"
)

// FilestoreState is a tri-state: where the host may not look, it does not guess.
type FilestoreState string

const (
	FilestorePresent FilestoreState = "present"
	FilestoreMissing FilestoreState = "missing"
	FilestoreUnknown FilestoreState = "unknown"
)

// Database is a line of the list.
type Database struct {
	Name, Owner string
	// Bytes is pg_database_size, -1 where the server does not say.
	Bytes    int64
	Encoding string
	// AllowConnections and Template are pg_database's. Odoo neither lists
	// templates nor runs their crons.
	AllowConnections, Template bool

	State DatabaseState
	// Reason is for Unreadable, LeftOverState and, in the middle of a swap, Closed.
	Reason string
	// IsOdoo: Initialised.
	IsOdoo bool
	// OdooVersion is "18.0", BaseVersion the module base's "18.0.1.3".
	OdooVersion, BaseVersion string

	// Filestore is the directory, whether it is there or not.
	Filestore      string
	FilestoreState FilestoreState
	// FilestoreReason says why it is missing or unknown although something is
	// there; more than one line.
	FilestoreReason string
	// Files and FilestoreBytes count what is in it, without Odoo's list of
	// files to collect; both are -1 where that was not known cheaply.
	Files, FilestoreBytes int64
}

// List gives the cluster's databases, PostgreSQL's own ones left out (postgres
// only if it is no Odoo database). It writes nothing. A database that cannot be
// looked at is in the list and says why.
func (s *Server) List(ctx context.Context) ([]Database, error) {
	c, err := s.admin(ctx, maintenance)
	if err != nil {
		return nil, err
	}
	defer closeConn(c)
	rows, err := c.Query(ctx, `SELECT datname::pg_catalog.text, pg_catalog.pg_get_userbyid(datdba)::pg_catalog.text,
		coalesce(CASE WHEN pg_catalog.has_database_privilege(oid, 'CONNECT'::pg_catalog.text) THEN pg_catalog.pg_database_size(oid) END, '-1'::bigint),
		pg_catalog.pg_encoding_to_char(encoding)::pg_catalog.text, datallowconn, datistemplate
		FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.<>) ALL (ARRAY['template0', 'template1']::pg_catalog.name[]) ORDER BY datname`)
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d Database, err error) {
		err = row.Scan(&d.Name, &d.Owner, &d.Bytes, &d.Encoding, &d.AllowConnections, &d.Template)
		return d, err
	})
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	// A journal that cannot be read is the next run's business, and no reason
	// not to list what is there.
	known, _ := s.purposes()
	list := make([]Database, 0, len(all))
	silent := 0
	for _, d := range all {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !s.inspect(ctx, &d, silent >= maxSilent) {
			silent++
		}
		d.explain(known[d.Name])
		if d.Name == maintenance && !d.IsOdoo {
			continue
		}
		d.Filestore = s.filestore(d.Name)
		s.countFiles(&d)
		list = append(list, d)
	}
	return list, nil
}

const (
	// inspectTime is for a look into one database.
	inspectTime = 10 * time.Second
	// maxSilent is how many may give no answer; the list would have no end.
	maxSilent = 6
)

// inspect looks into one database. Another database's trouble is no reason
// not to list the rest, so it has its own time limit and no error; answered is
// false where the limit has ended it. With skip it does not ask the server.
func (s *Server) inspect(ctx context.Context, d *Database, skip bool) (answered bool) {
	switch {
	case isLeftOver(d.Name):
		d.State = LeftOverState
		return true
	case !d.AllowConnections:
		d.State = Closed
		return true
	case skip:
		d.State, d.Reason = Unreadable, fmt.Sprintf("not looked at: about %d others there was no answer within %s each", maxSilent, inspectTime)
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, inspectTime)
	defer cancel()
	err := s.inspectAsOwner(ctx, d)
	if err != nil && ctx.Err() == nil {
		var c *cluster.Session
		if c, err = s.admin(ctx, d.Name); err == nil {
			defer closeConn(c)
			err = inspectOdoo(ctx, c.Conn, d)
		}
	}
	var pgErr *pgconn.PgError
	switch {
	case errors.As(err, &pgErr) && pgErr.Code == "3D000":
		d.State, d.Reason = Unreadable, "it was dropped meanwhile"
	case err != nil:
		d.State, d.Reason = Unreadable, err.Error()
	}
	return err == nil || ctx.Err() == nil
}

// inspectAsOwner looks as whom the database belongs to, where that is the
// application role.
func (s *Server) inspectAsOwner(ctx context.Context, d *Database) error {
	if d.Owner != s.AppRole {
		return errors.New("it is another role's")
	}
	c, err := s.app(ctx, d.Name)
	if err != nil {
		return err
	}
	defer closeConn(c)
	return inspectOdoo(ctx, c, d)
}

// explain says of odpm's own databases, and of one whose connections a swap has
// closed, what becomes of them.
func (d *Database) explain(p purpose) {
	switch {
	case d.State == LeftOverState && p.journal != "":
		d.Reason = fmt.Sprintf("of a restore of %s that was interrupted or runs; the next run of odpm deals with it", p.target)
	case d.State == LeftOverState:
		d.Reason = "nothing says what for; drop it: " + remedy(d.Name)
	case d.State == Closed && p.journal != "":
		d.Reason = "whole; a restore was interrupted in its swap, or runs: the next run of odpm opens it again"
	}
}

func inspectOdoo(ctx context.Context, c *pgx.Conn, d *Database) error {
	v, err := baseVersion(ctx, c, d.Name)
	switch {
	case err == nil:
		d.State, d.IsOdoo, d.BaseVersion, d.OdooVersion = Initialised, true, v, seriesOf(v)
		return nil
	case !IsNotOdoo(err):
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

// series reads the Odoo version off a module's version: "18.0.1.3" is a module
// of 18.0, "saas~17.4.1.3" and "saas-17.4.1.3" one of saas~17.4.
var series = regexp.MustCompile(`^(saas[~-])?([0-9]+\.[0-9]+)`)

func seriesOf(version string) string {
	m := series.FindStringSubmatch(version)
	if m == nil {
		return ""
	}
	if m[1] != "" {
		return "saas~" + m[2]
	}
	return m[2]
}

// countLimit is how many files a list counts: it has to stay a quick one.
const countLimit = 200_000

// countFiles looks at a database's file store.
func (s *Server) countFiles(d *Database) {
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

// leftOverName is what newJournal and Backup make.
var leftOverName = regexp.MustCompile(`^` + hiddenPrefix + `[0-9a-f]{16}(_old)?$`)

func isLeftOver(name string) bool {
	return strings.HasPrefix(name, hiddenPrefix) && leftOverName.MatchString(name)
}
