// Package apply does what a plan says, in its order, and decides nothing: after
// an action that changes what is known it looks again and has the plan made
// anew. It is the only package that is given Writers.
package apply

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/compose/foreign"
	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engines/writers"
	"github.com/odpm/odpm/host/interrupt"
	"github.com/odpm/odpm/host/look"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/world"
	"github.com/odpm/odpm/shared/snapshot"
)

// Options are what the command line says.
type Options struct {
	look.Options
	// Args are the arguments as typed, for the command that a refusal prints.
	Args     []string
	Term     *ui.Terminal
	Progress string
	// Verbose says each step's outcome and reason, and each action before it is
	// done.
	Verbose bool
	// Wait: an Odoo that is started answers HTTP at the end.
	Wait bool
	// Reviewed is the plan that must be the one to be done.
	Reviewed *Reviewed
}

// Run is one run on a project, under its locks.
type Run struct {
	// View is the last look; it has the present Want and what was accepted.
	*look.View
	Args    []string
	Term    *ui.Terminal
	Verbose bool
	Wait    bool

	Project *project.Project
	// Dirs know whom the container's directories belong to, once that is known.
	Dirs state.Dirs

	Stack engine.StackWriter
	PG    engine.Remote
	own   engine.Writer
	// done is what this run has done so far.
	done world.Run
	did  []plan.Action
	// provenAt is when this run has seen the login without recording it anew.
	provenAt time.Time
	// answeredAt is when Odoo was last seen to answer HTTP, where that was waited for.
	answeredAt time.Time
	kept       *foreign.File
	// role is what ensuring the role did.
	role cluster.Report
	// shares: the engine sees this machine's directories; remapped: its containers
	// have other uids than this machine sees.
	shares, remapped bool
	startup          cluster.Startup
}

// Done is what a run did.
type Done struct {
	// Actions are those that it did, in order.
	Actions []plan.Action
	// Login is what was proven, nil where nothing was to be started.
	Login *Login
	// URL is Odoo's, "" where nothing was started.
	URL string
}

// Login is a proven one.
type Login struct {
	Role    string
	PGMajor int
	// At is when it was proven, Addr PostgreSQL's address or its service's name.
	At   time.Time
	Addr string
}

// All is `odpm`: plan, resolve, apply.
func All(ctx context.Context, o Options) (Done, error) {
	r, unlock, err := Begin(ctx, o)
	if err != nil {
		return Done{}, err
	}
	defer unlock()
	if err := r.recover(ctx); err != nil {
		return Done{}, err
	}
	if err := r.To(ctx, o.Want); err != nil {
		return Done{}, err
	}
	if o.Want.Goal == plan.Files {
		r.Term.Note("odpm: the files are in place; nothing was started (--skip-start)")
		return Done{Actions: r.did}, nil
	}
	if err := r.rememberLook(); err != nil {
		return Done{}, err
	}
	done := Done{Actions: r.did, Login: r.sayProven(ctx)}
	if r.Stack != nil || len(r.Project.OdooCommand) > 0 {
		done.URL, err = r.OpenURL(ctx)
	}
	return done, err
}

// sayProven ends a run with what was proven, and where.
func (r *Run) sayProven(ctx context.Context) *Login {
	snap, err := snapshot.Load(r.snapshotPath())
	if err != nil {
		return nil
	}
	addr, err := r.PG.HostAddr(ctx)
	if err != nil || addr == "" {
		addr = r.Project.ServiceName
	}
	file, at := r.Rel(r.snapshotPath()), snap.RecordedAt
	proven := "proven " + snapshot.Stamp(at) + ", recorded in " + file
	if !r.provenAt.IsZero() {
		at = r.provenAt
		proven = "proven " + snapshot.Stamp(at) + ", as recorded in " + file + " on " + snapshot.Stamp(snap.RecordedAt)
	}
	r.Term.Note("odpm: %s logs in to PostgreSQL %d at %s; %s", ui.Clean(snap.OdooConf.DBUser), snap.Cluster.PGMajor, addr, proven)
	return &Login{Role: snap.OdooConf.DBUser, PGMajor: snap.Cluster.PGMajor, At: at, Addr: addr}
}

func (r *Run) snapshotPath() string { return world.SnapshotPath(r.Dirs) }

// Begin is the preflight that every command that changes something shares:
// look, ask, take the locks, look again. Nothing is written before the locks,
// and nothing is done when what was asked about is not what is there.
func Begin(ctx context.Context, o Options) (*Run, func(), error) {
	if o.Term.ErrTTY {
		// Docker may take a second to answer; a person sees at once that something
		// happens.
		dir, err := filepath.Abs(o.Dir)
		if err != nil {
			dir = o.Dir
		}
		o.Term.Step("looking at the project in %s", ui.Clean(dir))
	}
	end := o.Term.Alive()
	r, unlock, err := begin(ctx, o)
	if err != nil {
		end()
		return nil, nil, err
	}
	return r, func() { end(); unlock() }, nil
}

func begin(ctx context.Context, o Options) (*Run, func(), error) {
	v, err := look.At(ctx, o.Options)
	if err != nil {
		return nil, nil, err
	}
	r := &Run{Args: o.Args, Term: o.Term, Verbose: o.Verbose, Wait: o.Wait}
	r.done.Acted = o.Acted
	r.see(v)
	if err := o.Reviewed.check(v.Project.Dir, v.Plan); err != nil {
		return nil, nil, err
	}
	for _, w := range v.Plan.Warnings {
		r.Term.Warn("%s", ui.Clean(w))
	}
	if err := r.settle(ctx); err != nil {
		return nil, nil, err
	}
	lock, err := r.Dirs.LockProject(r.LockTarget(), "odpm "+strings.Join(o.Args, " "))
	if err != nil {
		return nil, nil, err
	}
	r.sweep()
	if r.changes() {
		// Somebody may have changed the project while a person was answering, or
		// until the lock was had: the answers do not cover that.
		err := r.again(ctx)
		if err == nil {
			err = o.Reviewed.check(r.Project.Dir, r.Plan)
		}
		if err == nil {
			err = r.settle(ctx)
		}
		if err == nil {
			err = r.keepAccepted()
		}
		if err != nil {
			lock.Unlock()
			return nil, nil, err
		}
	}
	r.open()
	return r, lock.Unlock, nil
}

// changes tells whether the plan does more than look.
func (r *Run) changes() bool {
	return slices.ContainsFunc(r.Plan.Actions, func(a plan.Action) bool { return a.Op != plan.ProveLogin })
}

// see takes a look for the present.
func (r *Run) see(v *look.View) {
	r.View, r.Project, r.kept = v, v.Project, v.Kept
	uid, gid := r.Dirs.UID, r.Dirs.GID
	if r.Dirs.Project == "" {
		uid, gid = -1, -1
	}
	r.Dirs = v.Inputs.Dirs
	r.Dirs.UID, r.Dirs.GID = uid, gid
	r.Dirs.Shared = v.Kept != nil && v.World.UID != 0
	if len(drift.Changes(v.Plan.Drifts)) > 0 {
		r.done.Drifted = true
	}
}

// open gets what acts.
func (r *Run) open() {
	w := writers.Open(r.Inputs, r.Readers, func(line string) { r.Term.Step("%s", line) })
	r.PG, r.own, r.Stack = w.Server, w.Own, w.Stack
}

// again looks at what is there now.
func (r *Run) again(ctx context.Context) error {
	if r.PG == nil {
		// Until the lock was had, the project itself may have changed too.
		v, err := look.At(ctx, r.View.Options)
		if err == nil {
			r.see(v)
		}
		return err
	}
	v, err := r.View.Again(ctx, r.Want, r.Accepted, r.done)
	if err == nil {
		r.see(v)
	}
	return err
}

// toward has the plan made for another goal, or with more accepted.
func (r *Run) toward(ctx context.Context, want plan.Want, accepted drift.Accepted) error {
	v, err := r.View.Toward(ctx, want, accepted)
	if err == nil {
		r.see(v)
	}
	return err
}

// rounds is far more than a run takes: two where a server is started.
const rounds = 12

// To brings the project as far as a goal.
func (r *Run) To(ctx context.Context, want plan.Want) error {
	if want != r.Want {
		if err := r.toward(ctx, want, r.Accepted); err != nil {
			return err
		}
	}
	for _, d := range r.Plan.Drifts {
		if d.Severity == drift.Low && !r.done.Up {
			r.Term.Warn("%s changed: %s -> %s", d.Kind, d.Previous, d.Current)
		}
	}
	for n := range rounds {
		if err := r.settle(ctx); err != nil {
			return r.undone(ctx, err)
		}
		if err := r.shared(ctx); err != nil {
			return err
		}
		r.sayPlan(n == 0)
		revealed, err := r.round(ctx)
		if err != nil {
			return err
		}
		if !revealed {
			return nil
		}
		if err := r.again(ctx); err != nil {
			return err
		}
	}
	var left []string
	for _, a := range r.Plan.Actions {
		left = append(left, a.String())
	}
	return fmt.Errorf("after %d rounds these steps still remain, which should not happen; please report it:\n%s", rounds, strings.Join(left, "\n"))
}

// shared is asked once in a run, before it does anything.
func (r *Run) shared(ctx context.Context) error {
	if r.shares || r.Stack == nil {
		return nil
	}
	if err := r.Dirs.Ensure(); err != nil {
		return err
	}
	r.shares = true
	return r.engineShares(ctx)
}

// round does the plan's actions until one changes what is known.
func (r *Run) round(ctx context.Context) (revealed bool, err error) {
	for _, a := range r.Plan.Actions {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if r.Verbose {
			r.Term.Step("doing: %s %s (%s)", a.Op, ui.Clean(a.Resource), ui.Clean(a.Why))
		}
		if err := r.do(ctx, a); err != nil {
			return false, err
		}
		r.done.Acted = true
		r.did = append(r.did, a)
		if a.Reveals {
			return true, nil
		}
	}
	return false, nil
}

// sayPlan is --verbose.
func (r *Run) sayPlan(all bool) {
	if !r.Verbose {
		return
	}
	for _, s := range r.Plan.Steps {
		if all || len(s.Actions) > 0 {
			r.Term.Step("%-18s %-6s %s", s.ID, s.Outcome, ui.Clean(s.Reason))
		}
	}
}

// undone stops a PostgreSQL that was started only to find out what a person
// then refused.
func (r *Run) undone(ctx context.Context, err error) error {
	if r.done.Started && r.own != nil {
		end, done := interrupt.Cleanup(ctx, time.Minute)
		defer done()
		if stop := r.own.Stop(end); stop != nil {
			r.Term.Warn("PostgreSQL is left running: %v", stop)
		}
	}
	return err
}

// keepAccepted remembers what was accepted until the next proven login.
func (r *Run) keepAccepted() error {
	var all []state.Acceptance
	for _, d := range r.Plan.Drifts {
		if !d.NeedsAnswer() || !d.Resolvable || !r.Plan.Accepted[d.Kind] || r.Want.EnsureRole {
			continue
		}
		a := state.Acceptance{Kind: string(d.Kind), Previous: d.Previous, Current: d.Current, At: time.Now().UTC().Truncate(time.Second)}
		for _, was := range r.World.Accepted {
			if was.Kind == a.Kind && was.Previous == a.Previous && was.Current == a.Current {
				a.At = was.At
			}
		}
		all = append(all, a)
	}
	if slices.Equal(all, r.World.Accepted) || r.Want.EnsureRole {
		return nil
	}
	if len(all) > 0 {
		if err := r.Dirs.Ensure(); err != nil {
			return err
		}
	}
	return r.Dirs.KeepAcceptances(all)
}
