package plan

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/handoff"
)

// upStep starts the stack and is done when the checker has proven the login.
type upStep struct{}

func (upStep) ID() string          { return "compose.up" }
func (upStep) Description() string { return "Start, and wait until Odoo's login is proven" }

func (upStep) Preview(ctx context.Context, s *Session) (Preview, error) {
	if s.SkipStart {
		return skip("--skip-start"), nil
	}
	switch {
	case s.PG == nil:
		return run("Docker was not asked what runs"), nil
	case !s.Project.External && !s.status.Running:
		return run("PostgreSQL does not run"), nil
	case !s.Project.External && !s.status.Ready:
		return run("PostgreSQL does not accept connections"), nil
	case s.Stack != nil && s.odoo.Paused:
		return run("Odoo's container is paused"), nil
	case s.Stack != nil && !s.odoo.Running:
		return run("Odoo does not run"), nil
	case s.Stack != nil && !s.Project.KeepCompose && s.odoo.Env[handoff.EnvID] != s.want.handoff.ID:
		return run("Odoo runs with another configuration"), nil
	case s.EngineKind == nativeEngine && len(s.Project.OdooCommand) > 0 && !s.odooProcess().runs():
		return run("ODOO_COMMAND does not run"), nil
	case s.mustProve():
		return run("the login is not proven for this configuration"), nil
	}
	if s.Stack != nil {
		if s.want.compose != nil {
			if _, changed, err := fileChange(s.composePath(), s.want.compose); err != nil || changed {
				return run("docker-compose.yml changes"), err
			}
		}
		if why, err := s.stale(ctx); err != nil || why != "" {
			return run(why), err
		}
	}
	return noop("it runs, and the login is proven"), nil
}

func (up upStep) Apply(ctx context.Context, s *Session) error {
	if s.SkipStart {
		return nil
	}
	if p, err := up.Preview(ctx, s); err != nil {
		return err
	} else if p.Outcome == Noop {
		return s.stillLogsIn(ctx)
	}
	if err := s.startPostgres(ctx); err != nil {
		return err
	}
	if s.ensuresRole() && !s.adoption() && s.mayChangeRoles() {
		// What was accepted late, after PostgreSQL alone was started.
		if _, err := s.ensureRole(ctx); err != nil {
			return err
		}
	}
	if s.Stack == nil {
		return s.upNative(ctx)
	}
	s.Term.Step("starting Odoo")
	if err := s.Stack.Up(ctx, nil); err != nil {
		return s.startFailed(ctx, err)
	}
	if err := s.rememberUp(ctx); err != nil {
		return err
	}
	return s.waitForBaseline(ctx)
}

// proofTimeout is the checker's own deadline with room for a slow start.
const proofTimeout = 3 * time.Minute

// waitForBaseline is done when the running container and last_run.json carry
// this configuration's id. Where nothing was recreated, and with a compose
// file of the person's own, a one-off checker proves it.
func (s *Session) waitForBaseline(ctx context.Context) error {
	if s.Project.KeepCompose {
		return s.proveOnce(ctx)
	}
	end := time.Now().Add(proofTimeout)
	first, err := s.Stack.Container(ctx, s.Project.OdooServiceName)
	if err != nil {
		return err
	}
	if (s.odoo.Running || s.odoo.Paused) && s.odoo.ID == first.ID && first.Running && first.RestartCount == s.odoo.RestartCount {
		// It was there before this run: its checker has spoken long ago.
		if s.mustProve() && !s.provenNow() {
			return s.proveOnce(ctx)
		}
		return errors.Join(s.stillLogsIn(ctx), s.stillRuns(ctx))
	}
	// It was started by this run, and its checker decides again: what an
	// earlier one proved says nothing about this start.
	began, odooSince := time.Now(), time.Time{}
	for !s.provenNow() {
		c, err := s.Stack.Container(ctx, s.Project.OdooServiceName)
		if err != nil {
			return err
		}
		if !c.Running || c.RestartCount > first.RestartCount {
			if s.provenNow() {
				break
			}
			return s.odooFailed(ctx, c)
		}
		if time.Now().After(end) {
			return s.odooFailed(ctx, c)
		}
		pause := 100 * time.Millisecond
		if time.Since(began) > 2*time.Second {
			// Each look is some processes' work. By now the checker waits for
			// something, or it is over and has recorded nothing.
			pause = 500 * time.Millisecond
			is, err := s.isOdoo(ctx)
			switch {
			case err != nil:
				return err
			case !is:
				odooSince = time.Time{}
			case odooSince.IsZero():
				odooSince = time.Now()
			case time.Since(odooSince) >= time.Second && !s.provenNow():
				return s.notRecorded(ctx, c)
			}
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
	return s.stillRuns(ctx)
}

// isOdoo tells whether the container's first process is not the checker (any
// more): what the checker records it records before it becomes Odoo.
func (s *Session) isOdoo(ctx context.Context) (bool, error) {
	first, err := s.Stack.FirstProcess(ctx, s.Project.OdooServiceName)
	return first != "" && !strings.Contains(first, "odpm-checker"), err
}

// notRecorded: the login was proven, and the baseline could not be written.
// Odoo runs all the same; it is not what a run promises.
func (s *Session) notRecorded(ctx context.Context, c engine.Container) error {
	logs, err := s.Stack.ServiceLogs(ctx, s.Project.OdooServiceName, 40)
	if err != nil {
		logs = err.Error()
	}
	return fmt.Errorf("Odoo runs (container %s), but no login was recorded in %s at this start. Its last lines:\n%s\nOnce that is put right: docker compose -p %s restart %s",
		c.Name, s.Rel(s.snapshotPath()), ui.CleanLines(logs), s.Project.Name, s.Project.OdooServiceName)
}

// stillRuns: the checker has become Odoo; an Odoo that ends at once is an
// error of its own.
func (s *Session) stillRuns(ctx context.Context) error {
	c, err := s.Stack.Container(ctx, s.Project.OdooServiceName)
	if err != nil || c.Running {
		return err
	}
	return s.odooFailed(ctx, c)
}

// odooFailed shows the container's last lines, and what the server says of
// the login.
func (s *Session) odooFailed(ctx context.Context, c engine.Container) error {
	logs, err := s.Stack.ServiceLogs(ctx, s.Project.OdooServiceName, 15)
	if err != nil {
		logs = err.Error()
	}
	what := fmt.Sprintf("Odoo's container %s ended with exit code %d (%s)", c.Name, c.ExitCode, exitMeaning(c.ExitCode))
	if c.Running {
		what = fmt.Sprintf("Odoo's container %s runs, but its checker recorded no baseline within %s", c.Name, proofTimeout)
	}
	msg := what + ". Its last lines:\n" + ui.CleanLines(logs)
	if c.ExitCode == 77 || c.ExitCode == 69 {
		if err := s.ProveRole(ctx); err != nil {
			msg += "\n" + err.Error()
		}
	}
	return errors.New(msg + "\nLook on: docker compose -p " + s.Project.Name + " logs " + s.Project.OdooServiceName)
}

// exitMeaning names the checker's exit codes (docs/checker.md).
func exitMeaning(code int) string {
	switch code {
	case 64:
		return "odpm-checker: usage"
	case 69:
		return "odpm-checker: PostgreSQL not reachable in time"
	case 73:
		return "odpm-checker: the baseline could not be written"
	case 77:
		return "odpm-checker: login refused"
	case 78:
		return "odpm-checker: configuration"
	case 126, 127:
		return "the program cannot be run"
	case 137:
		return "killed, perhaps for lack of memory"
	}
	return "Odoo's own"
}

func (s *Session) startFailed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if c, cerr := s.Stack.Container(ctx, s.Project.OdooServiceName); cerr == nil && c.ID != "" && !c.Running && c.ExitCode != 0 {
		return s.odooFailed(ctx, c)
	}
	return fmt.Errorf("the stack did not start: %w", err)
}

// odooMayStart is asked before anything is stopped or started.
func (s *Session) odooMayStart(ctx context.Context) error {
	if s.SkipStart || s.Stack == nil {
		return nil
	}
	if p, err := (upStep{}).Preview(ctx, s); err != nil || p.Outcome == Noop {
		return err
	}
	return s.checkAccess(ctx, "Nothing was stopped or started.")
}

// checkAccess asks whether Odoo's uid can use what is mounted for it; outcome
// says what was done so far.
func (s *Session) checkAccess(ctx context.Context, outcome string) error {
	if s.Project.KeepCompose {
		return nil
	}
	problems, err := s.Stack.CheckAccess(ctx, s.want.image.ref, s.spec.User, []engine.Access{
		{Path: s.Dirs.Database(), Write: true},
		{Path: s.Project.OdooDataDir, Write: true},
		{Path: s.Project.OdooConfPath},
		{Path: s.handoffPath()},
	})
	if err != nil || len(problems) == 0 {
		return err
	}
	who := s.spec.User
	if who == "" {
		uid, gid, err := s.Stack.UserID(ctx, s.want.image.ref)
		if err != nil {
			return err
		}
		who = fmt.Sprintf("%d:%d", uid, gid)
	}
	return &ui.Refusal{What: "Odoo runs as uid:gid " + who + ", which cannot use what is mounted for it. " + outcome, Details: problems}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
