// Package restore loads an archive into a hidden database, proves it, adapts it, and has it
// swapped in; a rehearsal does the same and leaves nothing.
package restore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/host/interrupt"
	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/fault"
	"github.com/odpm/odpm/host/odoodb/neutralize"
	"github.com/odpm/odpm/host/odoodb/progress"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/swap"
	"github.com/odpm/odpm/host/odoodb/tables"
	"github.com/odpm/odpm/host/odoodb/verify"
)

// Run puts an archive in the place of a database. It works on a database
// and a directory of its own, proves them, and swaps them in at the end: until
// then nothing that existed is touched, and after an error nothing has
// changed. A kill at any moment is put right by odoodb.Recover.
func Run(ctx context.Context, s *server.Server, o Options) (Report, error) {
	r := &restore{s: s, o: o}
	r.rep.Database = o.Database
	defer r.close()
	if err := r.preflight(ctx); err != nil {
		return r.rep, err
	}
	if err := r.run(ctx); err != nil {
		if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
			err = errors.Join(ctx.Err(), err)
		}
		return r.rep, err
	}
	return r.rep, nil
}

// restore is one restore, or a rehearsal of it.
type restore struct {
	s   *server.Server
	o   Options
	rep Report

	a       *archive.Archive
	c       *cluster.Session // administrator, on the maintenance database
	plan    preflighted
	journal *swap.Journal
	// home has the live file store, nil where Odoo has none yet.
	home  *filestore.Home
	owner *filestore.Owner
	// server is where the loading role gets in, password its own; later are
	// statements for the owner-to-be.
	server   engine.Server
	password string
	later    []string
	// read is how much of the dump's text is loaded.
	read atomic.Int64
	// notice gets what the server says beside its answers during the load.
	notice func(*pgconn.Notice)

	// compare and trial are a rehearsal's, which ends without the swap.
	compare, trial func(ctx context.Context) error
}

func (r *restore) close() {
	if r.a != nil {
		r.a.Close()
	}
	if r.c != nil {
		engine.Close(r.c)
	}
	switch {
	case r.journal != nil:
		r.journal.Close()
	case r.home != nil:
		r.home.Close()
	}
}

// run does everything after the checks that touch nothing.
func (r *restore) run(ctx context.Context) (err error) {
	if r.journal, err = r.newJournal(); err != nil {
		return err
	}
	if err := server.Interlock(ctx, r.c, r.journal.New); err != nil {
		return err
	}
	if err := r.journal.To(swap.StepLoading); err != nil {
		return err
	}
	swapped := false
	defer func() {
		if err == nil || swapped {
			return
		}
		if cerr := swap.Undo(ctx, r.s, r.c, r.journal, r.o.Odoo); cerr != nil {
			err = errors.Join(err, fmt.Errorf("cleaning up failed as well; the next run of odpm tries again: %w", cerr))
		}
	}()
	fault.At("journal")
	if err := r.makeFilestore(); err != nil {
		return err
	}
	if err := r.fill(ctx); err != nil {
		return err
	}
	fault.At("filled")
	if err := r.prove(ctx); err != nil {
		return err
	}
	if r.compare != nil {
		if err := r.compare(ctx); err != nil {
			return err
		}
	}
	if err := r.adapt(ctx); err != nil {
		return err
	}
	fault.At("proven")
	if r.trial != nil {
		if err := r.trial(ctx); err != nil {
			return err
		}
		swapped = true // it is undone here
		return swap.Undo(ctx, r.s, r.c, r.journal, nil)
	}
	swapped = true // its own errors are undone by swap itself
	if err := swap.Run(ctx, r.s, r.c, r.journal, r.o.Odoo, r.o.Progress); err != nil {
		return err
	}
	fault.At("swapped")
	end, done := interrupt.Cleanup(ctx, swap.Limit)
	defer done()
	return r.end(end)
}

func (r *restore) newJournal() (*swap.Journal, error) {
	name := server.HiddenPrefix + server.Token()
	j := swap.Journal{
		Target: r.o.Database, New: name, Old: name + "_old",
		OldOID: r.plan.old.OID, OldAllowed: r.plan.old.AllowC, KeepOld: r.o.KeepOld,
		Filestore: r.s.Files.Root(), Home: r.home,
	}
	if r.home != nil {
		j.Filestore, j.Live = r.home.Path(), r.home.Live
		filled, err := r.home.Filled(r.home.Live)
		if err != nil {
			return nil, fmt.Errorf("file store: %w", err)
		}
		j.KeepFiles = r.plan.old.OID == 0 && filled
	}
	if j.KeepOld || j.KeepFiles {
		j.Old = r.plan.keptName
	}
	return swap.NewJournal(r.s.StateDir, j), nil
}

// makeFilestore makes the restored database's file store beside the others.
func (r *restore) makeFilestore() (err error) {
	j := r.journal
	if j.Home == nil {
		if j.Home, err = r.s.Files.MakeHome(j.Target, r.owner); err != nil {
			return fmt.Errorf("file store: %w", err)
		}
	}
	if j.Made, err = j.Home.Make(j.New, 0o755, r.owner); err != nil {
		return fmt.Errorf("file store: %w", err)
	}
	return nil
}

// prove compares the restored database with what the archive and the project
// promise.
func (r *restore) prove(ctx context.Context) error {
	c, err := r.loader(ctx)
	if err != nil {
		return err
	}
	defer engine.Close(c)
	f, err := verify.DatabaseFacts(ctx, c, r.a.Has)
	if err != nil {
		return err
	}
	if r.a.Files == 0 && f.Stored > 0 && r.plan.old.OID != 0 {
		if err := r.takeOver(ctx, c, &f); err != nil {
			return err
		}
	}
	r.rep.Modules, r.rep.Files, r.rep.Missing, r.rep.WrongSized, r.rep.Elsewhere = len(f.Modules), f.Stored, f.Missing, f.WrongSized, f.Elsewhere
	r.o.Progress.Send(progress.Event{Phase: progress.PhaseVerify, Done: int64(f.Stored), Total: int64(f.Stored), Items: true, Finished: true})
	j, err := verify.Judge(f, verify.Wanted{Archive: r.a, Project: r.o.OdooMajor, MissingFiles: r.o.AllowMissingFiles})
	r.rep.OdooMajor = j.Major
	r.rep.Warnings = append(r.rep.Warnings, j.Warnings...)
	return err
}

// takeOver links those files of the replaced database that attachments name.
func (r *restore) takeOver(ctx context.Context, c *pgx.Conn, f *verify.Facts) error {
	names, _, err := verify.StoredFiles(ctx, c)
	if err != nil {
		return err
	}
	from, err := r.journal.Home.Open(r.journal.LiveName())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("file store: %w", err)
	}
	if err == nil {
		defer from.Close()
		n, err := takeOver(names, from, r.journal.Made)
		if err != nil {
			return err
		}
		if n > 0 {
			r.rep.warn("the archive has no file store; %d of %d files were taken over from the replaced database", n, len(names))
		}
	}
	has, err := verify.FilesIn(r.journal.Made)
	if err != nil {
		return fmt.Errorf("file store: %w", err)
	}
	*f, err = verify.DatabaseFacts(ctx, c, has)
	return err
}

// adapt does what was asked for beyond restoring, while nobody can see the
// database, and gives it to the application role. What odpm itself changes sets
// off the archive's triggers, so that comes before.
func (r *restore) adapt(ctx context.Context) error {
	c, err := r.loader(ctx)
	if err != nil {
		return err
	}
	defer engine.Close(c)
	if r.rep.OdooMajor == 0 && (r.o.Neutralize || r.o.Copy) {
		return tables.NotOdoo(r.o.Database)
	}
	byOdoo := r.o.Neutralize && r.rep.OdooMajor >= neutralize.Since
	var installed []string
	if r.o.Copy {
		if err := neutralize.ResetIdentity(ctx, c, r.o.BaseURL); err != nil {
			return err
		}
	}
	switch {
	case byOdoo:
		all, err := tables.Modules(ctx, c, r.journal.New)
		if err != nil {
			return err
		}
		installed = neutralize.Modules(all)
	case r.o.Neutralize:
		if err := neutralize.Tables(ctx, c); err != nil {
			return err
		}
		if err := r.neutral(ctx, c); err != nil {
			return err
		}
	}
	engine.Close(c)
	fault.At("adapted")
	if err := r.handOver(ctx); err != nil {
		return err
	}
	if byOdoo {
		err := neutralize.ByOdoo(ctx, r.s, r.journal.New, r.rep.OdooMajor, installed, r.o.NeutralizeWithOdoo)
		if err == nil {
			err = r.neutralByOdoo(ctx)
		}
		if err != nil {
			return err
		}
	}
	r.rep.Copied = r.o.Copy
	return nil
}

// end is after the swap: the restored database is in its place whatever
// happens now.
func (r *restore) end(ctx context.Context) error {
	j := r.journal
	r.rep.Replaced = j.OldOID != 0
	if j.KeepOld && j.OldOID != 0 {
		r.rep.Kept = j.Old
	}
	if former, err := j.Has(j.Old); (j.KeepOld || j.KeepFiles) && (former || err != nil) {
		r.rep.KeptFilestore = j.At(j.Old)
	}
	if j.KeepFiles {
		r.rep.warn("there was a file store without a database; it is kept as %s", j.At(j.Old))
	} else if r.rep.KeptFilestore != "" && r.s.Files.Recorded(j.Target) {
		r.rep.warn("the replaced file store is kept as %s; for Odoo to use it, set in .env: %s", r.rep.KeptFilestore, r.s.Files.Setting(j.Old, r.rep.KeptFilestore))
	}
	startErr := swap.RestartOdoo(ctx, j, r.o.Odoo)
	if r.c.IsClosed() {
		c, err := r.s.Administrator(ctx, server.Maintenance)
		if err != nil {
			return errors.Join(startErr, fmt.Errorf("database %q is restored and in place, but: %w", j.Target, err))
		}
		r.c = c
	}
	held, err := swap.Finish(ctx, r.s, r.c, j)
	if held != nil {
		r.rep.Kept, r.rep.KeptFilestore = j.Old, j.At(j.Old)
		r.rep.warn("the replaced database was not dropped and is kept as %q: %v", j.Old, held)
	}
	if err := errors.Join(startErr, err); err != nil {
		return fmt.Errorf("database %q is restored and in place, but: %w", j.Target, err)
	}
	return nil
}

// keptName is the dated name of a replaced database.
func keptName(database string, now time.Time) string {
	return database + "_old_" + now.Format("2006-01-02_15-04-05")
}
