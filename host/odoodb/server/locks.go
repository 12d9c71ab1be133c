package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/tables"
	"github.com/odpm/odpm/shared/shell"
)

const (
	// lockWait is how long odpm's work waits for somebody's lock: a module update
	// holds one for minutes, a forgotten psql for days.
	lockWait = time.Minute
	// lockLook is how often odpm looks whether its sessions wait. The first look
	// comes as late, so that short work does without one.
	lockLook = 2 * time.Second
	// yieldWait is what an autovacuum worker has at least: the server itself ends
	// it when it has kept somebody waiting for deadlock_timeout, 1 s where nobody
	// has set it otherwise.
	yieldWait = 10 * time.Second
)

// lockedError is a lock that somebody else did not give up in time.
type lockedError struct {
	wait    time.Duration
	holders []string
}

func (e *lockedError) Error() string {
	return fmt.Sprintf("waited %s for a lock that is held by:\n  %s", e.wait, strings.Join(e.holders, "\n  "))
}

// IsLocked says whether the work ended because somebody held a lock for too long.
func IsLocked(err error) bool {
	var e *lockedError
	return errors.As(err, &e)
}

// Sessions says which sessions of odpm's are looked at: those of an
// application_name, or one by its process.
type Sessions struct {
	app string
	pid uint32
}

// SessionOf is one session.
func SessionOf(c *pgx.Conn) Sessions { return Sessions{pid: c.PgConn().PID()} }

// SessionsOf are those of an application_name.
func SessionsOf(app string) Sessions { return Sessions{app: app} }

// Unblocked does work on sessions that others can keep waiting. Where they wait
// for a lock, Waiting is called once with who holds it, and after LockWait the
// work's context ends and the error is a lockedError: nobody waits in silence, or
// for ever.
func (s *Server) Unblocked(ctx context.Context, w Sessions, work func(ctx context.Context) error) error {
	return s.Watched(ctx, w, cmp.Or(s.LockWait, lockWait), s.Waiting, work)
}

// Watched is Unblocked with a limit of its own; told is called in the place of Waiting,
// nil for nobody.
func (s *Server) Watched(ctx context.Context, w Sessions, limit time.Duration, told func(string), work func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	looking, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		if locked := s.watchLocks(looking, w, limit, told); locked != nil {
			cancel(locked)
		}
	})
	err := work(ctx)
	stop()
	wg.Wait()
	if cause := context.Cause(ctx); err != nil && IsLocked(cause) {
		return cause
	}
	return err
}

// watchLocks returns when the sessions have waited for too long, or with ctx.
func (s *Server) watchLocks(ctx context.Context, w Sessions, limit time.Duration, told func(string)) error {
	tick := time.NewTicker(min(lockLook, limit/5))
	defer tick.Stop()
	var c *cluster.Session
	defer func() {
		if c != nil {
			engine.Close(c)
		}
	}()
	var since time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if c == nil || c.IsClosed() {
			// A server without a connection to spare is no reason to end the work;
			// the next look tries again.
			c, _ = s.Administrator(ctx, Maintenance)
			if c == nil {
				continue
			}
		}
		holders, yield, err := s.lockHolders(ctx, c, w)
		wait := limit
		if yield {
			wait = max(limit, yieldWait)
		}
		switch {
		case err != nil:
			continue
		case len(holders) == 0:
			since = time.Time{}
			continue
		case since.IsZero():
			since = time.Now()
		}
		if told != nil && (!yield || time.Since(since) >= lockLook) {
			told(fmt.Sprintf("waiting up to %s for a lock that is held by:\n  %s", wait, strings.Join(holders, "\n  ")))
			told = nil
		}
		if time.Since(since) >= wait {
			return &lockedError{wait, holders}
		}
	}
}

// lockHolders names who holds what the sessions wait for, each with the command
// that ends it; empty where none waits. Prepared transactions, which have no
// process, are those of pg_prepared_xacts. They yield where all of them are
// autovacuum workers that the server ends for whoever waits, which it never does with
// one that prevents a wraparound.
func (s *Server) lockHolders(ctx context.Context, c *cluster.Session, w Sessions) (names []string, yield bool, err error) {
	rows, err := c.Query(ctx, `SELECT DISTINCT b.pid, coalesce(h.usename::pg_catalog.text, ''::pg_catalog.text), coalesce(h.datname::pg_catalog.text, ''::pg_catalog.text),
			coalesce(h.application_name, ''::pg_catalog.text), coalesce(h.state, ''::pg_catalog.text),
			coalesce(pg_catalog.to_char(coalesce(h.xact_start, h.query_start, h.backend_start), 'YYYY-MM-DD HH24:MI:SS TZ'::pg_catalog.text), ''::pg_catalog.text),
			coalesce(h.backend_type, ''::pg_catalog.text),
			coalesce(h.backend_type OPERATOR(pg_catalog.=) 'autovacuum worker'::pg_catalog.text AND h.query OPERATOR(pg_catalog.!~~) '%to prevent wraparound%'::pg_catalog.text, false)
		FROM pg_catalog.pg_stat_activity a, LATERAL (SELECT pg_catalog.unnest(pg_catalog.pg_blocking_pids(a.pid)) AS pid) b
		LEFT JOIN pg_catalog.pg_stat_activity h ON h.pid OPERATOR(pg_catalog.=) b.pid
		WHERE a.wait_event_type OPERATOR(pg_catalog.=) 'Lock'::pg_catalog.text
		AND (a.pid OPERATOR(pg_catalog.=) $1::int OR a.application_name OPERATOR(pg_catalog.=) $2::pg_catalog.text AND $2::pg_catalog.text OPERATOR(pg_catalog.<>) ''::pg_catalog.text)
		ORDER BY 1`, int32(w.pid), w.app)
	if err != nil {
		return nil, false, err
	}
	type holder struct {
		PID                                 int32
		Role, Database, App, State, T, Kind string
		Yields                              bool
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[holder])
	if err != nil {
		return nil, false, err
	}
	yield = true
	for _, h := range found {
		if w.app != "" && h.App == w.app {
			continue // odpm's own, which waits as well
		}
		yield = yield && h.Yields
		if h.PID == 0 {
			prepared, err := tables.Collect(ctx, c, `SELECT pg_catalog.format('prepared transaction %L of role %I in database %I, prepared %s; end it in that database with: ROLLBACK PREPARED %L;',
				gid, owner, database, pg_catalog.to_char(prepared, 'YYYY-MM-DD HH24:MI:SS TZ'::pg_catalog.text), gid) FROM pg_catalog.pg_prepared_xacts ORDER BY prepared`)
			if err != nil {
				return nil, false, err
			}
			names = append(names, prepared...)
			continue
		}
		app := "no application_name"
		switch {
		case h.Kind != "client backend" && h.Kind != "":
			app = h.Kind
		case h.App != "":
			app = fmt.Sprintf("application_name %q", h.App)
		}
		names = append(names, fmt.Sprintf("process %d (%s, role %q, database %q, %s) since %s; end it with: %s -d postgres -c %s",
			h.PID, app, h.Role, h.Database, h.State, h.T, s.PG.Psql(ctx, c.Config().User), shell.Quote(fmt.Sprint("SELECT pg_catalog.pg_terminate_backend(", h.PID, ")"))))
	}
	return names, yield, nil
}
