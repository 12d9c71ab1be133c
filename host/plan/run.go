package plan

import (
	"context"
	"fmt"
	"strings"

	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/snapshot"
)

// RunAll is `odpm`: plan, resolve, apply. It gives Odoo's URL, "" where
// nothing was started.
func RunAll(ctx context.Context, o Options) (string, error) {
	s, unlock, err := Begin(ctx, o)
	if err != nil {
		return "", err
	}
	defer unlock()
	if err := s.recover(ctx); err != nil {
		return "", err
	}
	if err := s.apply(ctx); err != nil {
		return "", err
	}
	if s.SkipStart {
		s.Term.Say("odpm: the files are in place; nothing was started (--skip-start)")
		return "", nil
	}
	s.sayProven(ctx)
	if s.Stack == nil && len(s.Project.OdooCommand) == 0 {
		return "", nil
	}
	return s.OpenURL(ctx)
}

// sayProven ends a run with what was proven, and where.
func (s *Session) sayProven(ctx context.Context) {
	snap, err := snapshot.Load(s.snapshotPath())
	if err != nil {
		return
	}
	addr, err := s.PG.HostAddr(ctx)
	if err != nil || addr == "" {
		addr = s.Project.ServiceName
	}
	file := s.Rel(s.snapshotPath())
	proven := "proven " + snapshot.Stamp(snap.RecordedAt) + ", recorded in " + file
	if !s.provenAt.IsZero() {
		proven = "proven " + snapshot.Stamp(s.provenAt) + ", as recorded in " + file + " on " + snapshot.Stamp(snap.RecordedAt)
	}
	s.Term.Say("odpm: %s logs in to PostgreSQL %d at %s; %s", ui.Clean(snap.OdooConf.DBUser), snap.Cluster.PGMajor, addr, proven)
}

// Begin is the preflight that every command that changes something shares:
// look, ask, take the locks, look again. Nothing is written before the locks,
// and nothing is done when what was asked about is not what is there.
func Begin(ctx context.Context, o Options) (*Session, func(), error) {
	s, err := Load(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	for _, w := range s.Warnings {
		s.Term.Warn("%s", ui.Clean(w))
	}
	if err := s.Resolve(); err != nil {
		return nil, nil, err
	}
	if len(s.Problems) > 0 {
		return nil, nil, s.Problems[0]
	}
	lock, err := s.Dirs.LockProject(s.lockTarget(), "odpm "+strings.Join(o.Args, " "))
	if err != nil {
		return nil, nil, err
	}
	o.Accepted = s.Accepted
	quiet := *o.Term
	quiet.ErrTTY = false
	o.Term = &quiet
	again, err := Load(ctx, o)
	if err == nil {
		again.Term = s.Term
	}
	if err == nil && len(again.Problems) > 0 {
		err = again.Problems[0]
	}
	if err == nil {
		// Somebody changed the project while a person was answering: the
		// answers do not cover that.
		err = again.Resolve()
	}
	if err != nil {
		lock.Unlock()
		return nil, nil, err
	}
	return again, lock.Unlock, nil
}

// lockTarget is the directory whose lock serialises runs across projects.
func (s *Session) lockTarget() string {
	if s.Project.External {
		return ""
	}
	if s.Project.DataVolume != "" {
		return "/volume/" + s.Project.DataVolume
	}
	return s.Project.DataDir
}

// apply runs every step in order.
func (s *Session) apply(ctx context.Context) error {
	if err := s.Dirs.Ensure(); err != nil {
		return err
	}
	if err := s.engineShares(ctx); err != nil {
		return err
	}
	for _, step := range Steps() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, first := step.(stopOldStep); first {
			if err := s.odooMayStart(ctx); err != nil {
				return err
			}
		}
		if err := s.applyStep(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) applyStep(ctx context.Context, step Step) error {
	if s.Verbose {
		p, err := step.Preview(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", step.ID(), err)
		}
		s.Term.Step("%-18s %-6s %s", step.ID(), p.Outcome, ui.Clean(p.Reason))
	}
	return step.Apply(ctx, s)
}

// applyFiles runs the steps that write files; database work needs them, and
// PostgreSQL, and leaves Odoo as it is.
func (s *Session) applyFiles(ctx context.Context) error {
	if err := s.Dirs.Ensure(); err != nil {
		return err
	}
	if err := s.engineShares(ctx); err != nil {
		return err
	}
	for _, step := range Steps() {
		if _, up := step.(upStep); up {
			continue
		}
		if err := s.applyStep(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// UpPostgres brings up PostgreSQL alone: files, server and role as the project
// wants them, interrupted work put right. Odoo is left as it is.
func (s *Session) UpPostgres(ctx context.Context) error {
	if err := s.applyFiles(ctx); err != nil {
		return err
	}
	if err := s.startPostgres(ctx); err != nil {
		return err
	}
	if s.ensuresRole() && !s.adoption() {
		if _, err := s.ensureRole(ctx); err != nil {
			return err
		}
	}
	return s.recover(ctx)
}

// Up starts Odoo too, and is done when its login is proven.
func (s *Session) Up(ctx context.Context) error { return upStep{}.Apply(ctx, s) }
