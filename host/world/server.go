package world

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/shared/snapshot"
)

// answer is what the server itself says.
type answer struct {
	err       error
	status    engine.Status
	addr      string
	old       *OldServer
	onOldData bool
	// facts are nil where it was asked no more than whether it answers.
	facts    *cluster.Facts
	warnings []string
}

// asking is what the server is asked with.
type asking struct {
	last *snapshot.Snapshot
	// sameData: the last run's data is this project's.
	sameData bool
	hints    cluster.Hints
}

// ask begins to ask the server. The way to one in a container, an exec and a
// login, takes as long as all the rest of a look, which goes on meanwhile. The
// channel gives one answer, and is closed when nothing is asked any more.
func (r *Reader) ask(ctx context.Context, with asking) <-chan answer {
	asked := make(chan answer, 1)
	if r.Server == nil {
		close(asked)
		return asked
	}
	go func() {
		asked <- r.server(ctx, with)
		close(asked)
	}()
	return asked
}

// probeTime is for a login and a handful of short questions.
const probeTime = 2 * time.Minute

func (r *Reader) server(ctx context.Context, with asking) (a answer) {
	if a.status, a.err = r.Server.Status(ctx); a.err != nil {
		return a
	}
	a.old = r.oldServer(ctx, with)
	if !a.status.Running {
		return a
	}
	if addr, err := r.Server.HostAddr(ctx); err == nil {
		a.addr = addr
	}
	// A server that still runs on the old directory would answer for the wrong
	// cluster.
	if with.last != nil && !with.sameData && r.Own != nil {
		ok, _, err := r.Own.Serves(ctx, "")
		a.onOldData = err != nil || !ok
	}
	if !a.status.Ready || a.onOldData {
		return a
	}
	timed, cancel := context.WithTimeoutCause(ctx, probeTime, fmt.Errorf("no answer within %s", probeTime))
	defer cancel()
	f, err := r.probe(timed, with.hints)
	if err != nil {
		if ctx.Err() != nil {
			a.err = ctx.Err()
			return a
		}
		if timed.Err() != nil {
			err = context.Cause(timed)
		}
		// Odoo's own role is enough for an external server: one that lets nobody in does
		// not let Odoo in either.
		if !errors.Is(err, cluster.ErrNoAdmin) || r.Kind == engines.External {
			a.warnings = append(a.warnings, fmt.Sprintf("the running server could not be asked: %v", err))
		}
	}
	for _, role := range f.GuessedSuperusers {
		a.warnings = append(a.warnings, fmt.Sprintf("superuser %q has a password that everybody knows: whoever reaches the server's port can do anything in it. Give it another: %s -c '\\password'", role, r.Server.Psql(ctx, role)))
	}
	a.facts = &f
	return a
}

// recoveryTime is how long a look waits for a server that is on its way back.
const recoveryTime = 15 * time.Second

// probe waits for a server that ended its sessions and recovers, as on a disk that
// was full: its postmaster runs on, and everything says that it is ready. No answer
// tells whether it soon takes people: since 15, a crash recovery says the same as a
// standby that is not consistent yet, or has no hot_standby.
func (r *Reader) probe(ctx context.Context, hints cluster.Hints) (f cluster.Facts, err error) {
	for end := time.Now().Add(recoveryTime); ; {
		f, err = cluster.Probe(ctx, r.Server, hints, r.in.Project.AppRole)
		var pgErr *pgconn.PgError
		if !errors.As(err, &pgErr) || pgErr.Code != engine.CannotConnectNow || time.Now().After(end) {
			return f, err
		}
		select {
		case <-ctx.Done():
			return f, err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// oldServer looks for a native server of the last run on another directory or
// port.
func (r *Reader) oldServer(ctx context.Context, with asking) *OldServer {
	if r.Kind != engines.Native || with.last == nil {
		return nil
	}
	was := with.last.Compose
	if with.sameData && was.HostPort == r.in.Project.PostgresPort || !filepath.IsAbs(was.DataPathAbs) {
		return nil
	}
	old := engines.OldNative(r.in, was.DataPathAbs, was.HostPort)
	if st, err := old.Status(ctx); err != nil || !st.Running {
		return nil
	}
	if addr, err := old.HostAddr(ctx); err == nil && strings.HasSuffix(addr, fmt.Sprintf(":%d", was.HostPort)) {
		return &OldServer{was.DataPathAbs, was.HostPort}
	}
	return nil
}
