package odoodb

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/seen"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/tables"
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
	// Invalid is one that PostgreSQL was interrupted in dropping: it can only be
	// dropped.
	Invalid DatabaseState = "invalid"
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
	// Marked: PostgreSQL says itself that it is Invalid.
	Marked bool

	State DatabaseState
	// Reason is for Unreadable, Invalid, LeftOverState and, in the middle of a swap, Closed.
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

	oid uint32
}

// List gives the cluster's databases, PostgreSQL's own ones left out (postgres
// only if it is an Odoo database). It writes nothing. A database that cannot be
// looked at is in the list and says why.
func List(ctx context.Context, s *server.Server) ([]Database, error) {
	c, err := s.Administrator(ctx, server.Maintenance)
	if err != nil {
		return nil, err
	}
	defer engine.Close(c)
	all, err := readDatabases(ctx, c)
	if err != nil {
		return nil, err
	}
	sessions, err := freeSessions(ctx, c)
	if err != nil {
		return nil, err
	}
	memory := seen.Open(ctx, c, s.CacheDir)
	var beside sync.WaitGroup
	var sizes map[string]int64
	var sizeErr error
	beside.Go(func() { sizes, sizeErr = databaseSizes(ctx, c) })
	everyone := make([]*Database, len(all))
	for i := range all {
		everyone[i] = &all[i]
	}
	beside.Go(func() { atOnce(ctx, sessions, everyone, func(d *Database) { countFiles(s, d) }) })

	many := s.ForMany(ctx)
	var silent atomic.Int32
	atOnce(ctx, sessions, slices.DeleteFunc(slices.Clone(everyone), func(d *Database) bool { return d.recall(memory) }), func(d *Database) {
		if !lookInto(ctx, many, d, silent.Load() >= maxSilent) {
			silent.Add(1)
		}
	})
	beside.Wait()
	if err := cmp.Or(ctx.Err(), sizeErr); err != nil {
		return nil, err
	}
	// A journal that cannot be read is the next run's business, and no reason
	// not to list what is there.
	known, _ := purposes(s)
	for _, d := range everyone {
		if n, ok := sizes[d.Name]; ok {
			d.Bytes = n
		}
		d.remember(memory)
		d.explain(known[d.Name])
	}
	memory.Save()
	return slices.DeleteFunc(all, func(d Database) bool { return d.Name == server.Maintenance && !d.IsOdoo }), nil
}

// atOnce does something to all of them, so many at a time. It begins nothing more
// once ctx has ended.
func atOnce(ctx context.Context, sessions int, all []*Database, do func(d *Database)) {
	var wg sync.WaitGroup
	next := make(chan *Database)
	for range min(sessions, len(all)) {
		wg.Go(func() {
			for d := range next {
				do(d)
			}
		})
	}
	for _, d := range all {
		if ctx.Err() != nil {
			break
		}
		next <- d
	}
	close(next)
	wg.Wait()
}

// recall takes over what an earlier list has seen, where nothing has changed since.
func (d *Database) recall(memory *seen.Server) bool {
	was, ok := memory.Of(d.oid)
	if !ok || d.Marked || !d.AllowConnections || server.IsLeftOver(d.Name) {
		return false
	}
	switch d.State = DatabaseState(was.State); d.State {
	case Empty, Other:
		return true
	case Initialised:
		d.initialised(was.BaseVersion)
		return true
	default:
		d.State = ""
		return false
	}
}

// remember is for the next list. Only what a look has found is worth it.
func (d *Database) remember(memory *seen.Server) {
	if d.State == Initialised || d.State == Empty || d.State == Other {
		memory.Keep(d.oid, seen.Database{State: string(d.State), BaseVersion: d.BaseVersion})
	}
}

// initialised is what a database is whose module base has that version.
func (d *Database) initialised(version string) {
	d.State, d.IsOdoo, d.BaseVersion, d.OdooVersion = Initialised, true, version, tables.SeriesOf(version)
}

// Look is List of one database; a missing one is IsMissing.
func Look(ctx context.Context, s *server.Server, database string) (Database, error) {
	c, err := s.Administrator(ctx, server.Maintenance)
	if err != nil {
		return Database{}, err
	}
	defer engine.Close(c)
	all, err := readDatabases(ctx, c)
	if err != nil {
		return Database{}, err
	}
	i := slices.IndexFunc(all, func(d Database) bool { return d.Name == database })
	if i < 0 {
		return Database{}, server.Missing(database)
	}
	d := all[i]
	lookInto(ctx, s, &d, false)
	return d, ctx.Err()
}

// Names gives the names of the databases that let people in and are no
// templates, postgres only if it is an Odoo database. It takes one session,
// however many databases there are, and looks into none of them.
func Names(ctx context.Context, s *server.Server) ([]string, error) {
	if s.Direct != nil {
		// Everybody may read pg_database.
		if c, err := s.Owner(ctx, s.Direct, engine.Login{User: s.AppRole, Password: s.AppPassword, Database: server.Maintenance}); err == nil {
			defer engine.Close(c)
			if names, sure, err := namesOf(ctx, c); err == nil && sure {
				return names, nil
			}
		}
	}
	c, err := s.Administrator(ctx, server.Maintenance)
	if err != nil {
		return nil, err
	}
	defer engine.Close(c)
	names, _, err := namesOf(ctx, c.Conn)
	return names, err
}

// namesOf is not sure where it could not be seen whether postgres is Odoo's.
func namesOf(ctx context.Context, c *pgx.Conn) (names []string, sure bool, err error) {
	names, err = tables.Collect(ctx, c, `SELECT datname::pg_catalog.text FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate AND NOT `+cluster.DatabaseInvalid+` ORDER BY datname`)
	if err != nil {
		return nil, false, fmt.Errorf("list databases: %w", err)
	}
	_, odoo := tables.BaseVersion(ctx, c, server.Maintenance)
	if odoo != nil {
		names = slices.DeleteFunc(names, func(n string) bool { return n == server.Maintenance })
	}
	return names, odoo == nil || tables.IsNotOdoo(odoo), nil
}

// readDatabases reads pg_database.
func readDatabases(ctx context.Context, c *cluster.Session) ([]Database, error) {
	rows, err := c.Query(ctx, `SELECT oid, datname::pg_catalog.text, pg_catalog.pg_get_userbyid(datdba)::pg_catalog.text,
		pg_catalog.pg_encoding_to_char(encoding)::pg_catalog.text, datallowconn, datistemplate, `+cluster.DatabaseInvalid+`
		FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.<>) ALL (ARRAY['template0', 'template1']::pg_catalog.name[]) ORDER BY datname`)
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d Database, err error) {
		d.Bytes = -1
		err = row.Scan(&d.oid, &d.Name, &d.Owner, &d.Encoding, &d.AllowConnections, &d.Template, &d.Marked)
		return d, err
	})
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	return all, nil
}

// databaseSizes has the server look at every file of every database, which takes
// as long as a third of the logins: it goes on beside them.
func databaseSizes(ctx context.Context, c *cluster.Session) (map[string]int64, error) {
	rows, err := c.Query(ctx, `SELECT datname::pg_catalog.text, coalesce(pg_catalog.pg_database_size(oid), '-1'::bigint)
		FROM pg_catalog.pg_database WHERE pg_catalog.has_database_privilege(oid, 'CONNECT'::pg_catalog.text)`)
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	sizes := map[string]int64{}
	var name string
	var size int64
	_, err = pgx.ForEachRow(rows, []any{&name, &size}, func() error {
		sizes[name] = size
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("sizes of databases: %w", err)
	}
	return sizes, nil
}

// maxSessions bounds how many databases are looked into at a time.
const maxSessions = 8

// freeSessions is how many sessions a list may have at a time: no more than a
// quarter of what the server has left, so that Odoo's own logins find room
// meanwhile.
func freeSessions(ctx context.Context, c *cluster.Session) (int, error) {
	var free int
	err := c.QueryRow(ctx, `SELECT pg_catalog.current_setting('max_connections')::int OPERATOR(pg_catalog.-) pg_catalog.current_setting('superuser_reserved_connections')::int
		OPERATOR(pg_catalog.-) (SELECT pg_catalog.count(*)::int FROM pg_catalog.pg_stat_activity WHERE backend_type OPERATOR(pg_catalog.=) 'client backend'::pg_catalog.text)`).Scan(&free)
	if err != nil {
		return 0, fmt.Errorf("ask how many connections the server has left: %w", err)
	}
	return min(max(free/4, 1), maxSessions), nil
}

const (
	// inspectTime is for a look into one database.
	inspectTime = 10 * time.Second
	// maxSilent is how many may give no answer; the list would have no end.
	maxSilent = 6
)

// countLimit is how many files a list counts: it has to stay a quick one.
const countLimit = 200_000
