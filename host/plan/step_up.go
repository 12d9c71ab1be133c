package plan

import (
	"context"
	"fmt"
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
	case s.Stack == nil && len(s.Project.OdooCommand) > 0 && !s.odooProcess().runs():
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
	return noop("it runs as its last proven login found it; a run proves the login again"), nil
}

func (up upStep) Apply(ctx context.Context, s *Session) error {
	if s.SkipStart {
		return nil
	}
	if p, err := up.Preview(ctx, s); err != nil {
		return err
	} else if p.Outcome == Noop {
		return s.stillGood(ctx)
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
	return s.upStack(ctx)
}

// The checker's exit codes after which the server itself is asked.
const (
	exitUnavailable = 69
	exitRefused     = 77
)

// exitMeaning names the checker's exit codes (docs/checker.md).
func exitMeaning(code int) string {
	switch code {
	case 64:
		return "odpm-checker: usage"
	case exitUnavailable:
		return "odpm-checker: PostgreSQL not reachable in time"
	case 73:
		return "odpm-checker: the baseline could not be written"
	case exitRefused:
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
	paths := []engine.Access{
		{Path: s.Dirs.Database(), Write: true},
		{Path: s.Project.OdooDataDir, Write: true},
		{Path: s.Project.OdooConfPath},
		{Path: s.handoffPath()},
	}
	for _, dir := range s.filestores().Named() {
		paths = append(paths, engine.Access{Path: dir, Write: true})
	}
	problems, err := s.Stack.CheckAccess(ctx, s.want.image.ref, s.spec.User, paths)
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
