// Package seen remembers what a list saw in each database of a server, so that
// the next one need not log in to a database in which nothing has changed.
//
// PostgreSQL counts the rows that are inserted, updated and deleted in each
// database, those of its catalogs among them, so every change of a table or of a
// row moves a counter that one query reads for all databases
// (https://www.postgresql.org/docs/current/monitoring-stats.html). From
// PostgreSQL 15 on the counters are in shared memory and a session that ends has
// delivered its own; before, they were packets that could be lost. They do not
// survive a crash, so what was seen counts for one start of the server. A standby
// does not count what it replays.
package seen

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/shared/durable"
	"github.com/odpm/odpm/shared/homedir"
	"github.com/odpm/odpm/shared/regular"
)

const (
	// schemaVersion is of the file. A reader of another one has seen nothing.
	schemaVersion = 1
	// maxFile is far more than a server with thousands of databases needs.
	maxFile = 16 << 20
	// maxAge is for what no counter shows: a superuser's session that had set
	// track_counts to off.
	maxAge = 24 * time.Hour
	// forgotten is when the file of a server that nobody lists any more goes.
	forgotten = 90 * 24 * time.Hour

	filePrefix, fileSuffix = "databases-", ".json"
)

// Dir is odpm's directory below the user's cache directory
// (https://specifications.freedesktop.org/basedir-spec/latest/). It is "", and nothing
// is remembered, where there is none, or where it is another user's, as with sudo -E:
// that user could not write to what root makes there.
func Dir() string {
	base := os.Getenv("XDG_CACHE_HOME")
	if !filepath.IsAbs(base) {
		home := homedir.Dir()
		if !filepath.IsAbs(home) {
			return ""
		}
		base = filepath.Join(home, ".cache")
	}
	there := base
	info, err := os.Stat(there)
	for errors.Is(err, fs.ErrNotExist) && there != filepath.Dir(there) {
		there = filepath.Dir(there)
		info, err = os.Stat(there)
	}
	if err != nil {
		return ""
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return ""
	}
	return filepath.Join(base, "odpm")
}

// Database is what was seen in one.
type Database struct {
	// Changes are the server's counters when it was looked into.
	Changes string `json:"changes"`
	// State and BaseVersion are the list's.
	State       string    `json:"state"`
	BaseVersion string    `json:"base_version,omitempty"`
	At          time.Time `json:"at"`
}

type document struct {
	SchemaVersion int `json:"schema_version"`
	// Started is when the server was started.
	Started   string              `json:"started"`
	Databases map[uint32]Database `json:"databases"`
}

// Server is what was seen of one server, and what its counters say now.
type Server struct {
	path    string
	started string
	// changes has no entry for a database whose counters may lag behind.
	changes map[uint32]string
	before  map[uint32]Database
	now     map[uint32]Database
}

// Open asks a server for its counters, in one query, and reads what was seen of it
// before. Where nothing can be known that way, or dir is "", nothing is remembered:
// a list does not fail for that.
func Open(ctx context.Context, c *cluster.Session, dir string) *Server {
	s := &Server{now: map[uint32]Database{}}
	if dir == "" {
		return s
	}
	var identifier string
	var counts bool
	err := c.QueryRow(ctx, `SELECT system_identifier::pg_catalog.text, pg_catalog.pg_postmaster_start_time()::pg_catalog.text,
		pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.>=) 150000 AND NOT pg_catalog.pg_is_in_recovery()
		AND pg_catalog.current_setting('track_counts')::pg_catalog.bool
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_db_role_setting, pg_catalog.unnest(setconfig) s WHERE pg_catalog.starts_with(s, 'track_counts='))
		FROM pg_catalog.pg_control_system()`).Scan(&identifier, &s.started, &counts)
	if err != nil || !counts {
		return s
	}
	if s.changes, err = changes(ctx, c); err != nil {
		return s
	}
	s.path = filepath.Join(dir, filePrefix+identifier+fileSuffix)
	s.before = read(s.path, s.started)
	return s
}

// changes are the counters of the databases that nobody is connected to but workers
// of autovacuum: a session delivers its own some seconds late, but not after its end.
func changes(ctx context.Context, c *cluster.Session) (map[uint32]string, error) {
	rows, err := c.Query(ctx, `SELECT d.oid, pg_catalog.concat_ws(' ', pg_catalog.pg_stat_get_db_tuples_inserted(d.oid), pg_catalog.pg_stat_get_db_tuples_updated(d.oid),
			pg_catalog.pg_stat_get_db_tuples_deleted(d.oid), pg_catalog.pg_stat_get_db_stat_reset_time(d.oid))
		FROM pg_catalog.pg_database d WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a
			WHERE a.datid OPERATOR(pg_catalog.=) d.oid AND coalesce(a.backend_type OPERATOR(pg_catalog.<>) 'autovacuum worker'::pg_catalog.text, true))`)
	if err != nil {
		return nil, err
	}
	all := map[uint32]string{}
	var oid uint32
	var counters string
	_, err = pgx.ForEachRow(rows, []any{&oid, &counters}, func() error {
		all[oid] = counters
		return nil
	})
	return all, err
}

// read reads what was seen since the server was started. A file that is missing,
// damaged or of another version has nothing: everything is looked at again.
func read(path, started string) map[uint32]Database {
	text, err := regular.ReadNoLink(path, maxFile)
	if err != nil {
		return nil
	}
	var d document
	if json.Unmarshal(text, &d) != nil || d.SchemaVersion != schemaVersion || d.Started != started {
		return nil
	}
	return d.Databases
}

// Of is what was seen in a database, if nothing has changed in it since.
func (s *Server) Of(oid uint32) (Database, bool) {
	is, ok := s.changes[oid]
	was, seen := s.before[oid]
	age := time.Since(was.At)
	return was, ok && seen && is == was.Changes && age >= 0 && age < maxAge
}

// Keep remembers what is in a database, with the counters that were read before
// anybody looked: what changed meanwhile counts as changed.
func (s *Server) Keep(oid uint32, d Database) {
	is, ok := s.changes[oid]
	if !ok {
		return
	}
	d.Changes, d.At = is, time.Now()
	if was, ok := s.Of(oid); ok {
		d.At = was.At
	}
	s.now[oid] = d
}

// Save writes it for the next list. A directory that cannot be written to costs that
// one its time, and is no error of this one.
func (s *Server) Save() {
	if s.path == "" || len(s.now) == 0 {
		return
	}
	text, err := json.Marshal(document{schemaVersion, s.started, s.now})
	if err != nil {
		return
	}
	dir := filepath.Dir(s.path)
	if os.MkdirAll(dir, 0o700) != nil || durable.WriteFile(s.path, text, 0o600) != nil {
		return
	}
	sweep(dir)
}

// sweep removes the files of servers that have not been listed for long.
func sweep(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), filePrefix) || !strings.HasSuffix(e.Name(), fileSuffix) {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > forgotten {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
