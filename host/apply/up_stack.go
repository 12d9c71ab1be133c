package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/exitcode"
	"github.com/odpm/odpm/shared/pglogin"
)

const (
	// defaultCheckerTimeout is what the checker takes without ODPM_TIMEOUT.
	defaultCheckerTimeout = time.Minute
	// proofTimeout is the checker's own deadline with room for a slow start.
	proofTimeout = 3 * time.Minute
	// livesFor is how long an Odoo that answers no request yet must have run
	// before it counts as one that goes on. An entrypoint of the person's own
	// that wants a variable, or an odoo.conf with a wrong line, ends it before:
	// Odoo reads its options a second or two after it was started, and later on a
	// busy machine.
	livesFor = 5 * time.Second
)

// patience is how long a start may take until its checker has recorded.
func patience(odpmTimeout string) time.Duration {
	return max(proofTimeout, checkerTimeout(odpmTimeout)+2*time.Minute)
}

// upStack starts the containers, and is done when this start's checker, or one
// that this run starts beside it, has proven the login, and Odoo goes on.
func (s *Run) upStack(ctx context.Context, services ...string) error {
	// Odoo may have come and gone since this run's first look.
	was, err := s.Stack.Container(ctx, s.Project.OdooServiceName)
	if err != nil {
		return err
	}
	if was.Running {
		if err := s.triedBeforehand(ctx); err != nil {
			return err
		}
	}
	startID, err := s.announce()
	if err != nil {
		return err
	}
	if err := s.Stack.Up(ctx, nil, services...); err != nil {
		return s.startFailed(ctx, err)
	}
	if len(services) == 0 {
		if err := s.rememberUp(ctx); err != nil {
			return err
		}
	}
	is, err := s.Stack.Container(ctx, s.Project.OdooServiceName)
	if err != nil {
		return err
	}
	if is.Running && is.ID == was.ID && is.StartedAt == was.StartedAt {
		// It was there before this run: its checker has spoken long ago.
		return s.stillGood(ctx)
	}
	if s.Desired.Image.Beside != nil {
		err = s.proveBeside(ctx, is)
	} else {
		err = s.proveStart(ctx, is, startID)
	}
	if err != nil {
		return err
	}
	if s.kept != nil {
		s.formerCheckers()
	}
	return s.goesOn(ctx, is)
}

// triedBeforehand tries the login from this machine before a working Odoo is
// replaced by one that could not log in: a password that changed in odoo.conf
// and not in the cluster. Whatever else goes wrong from here (another network,
// another line of pg_hba.conf) says nothing of Odoo's container.
func (s *Run) triedBeforehand(ctx context.Context) error {
	err := s.ProveRole(ctx)
	switch reason, is := pglogin.ReasonOf(err); {
	case ctx.Err() != nil:
		return ctx.Err()
	case is && (reason == pglogin.WrongPassword || reason == pglogin.RoleNoLogin):
		return fmt.Errorf("Odoo was not replaced and is running as before: %w", err)
	}
	return nil
}

// stillGood: nothing was started. Somebody may have changed the role, the
// network or a name since the login was recorded.
func (s *Run) stillGood(ctx context.Context) error {
	// One that Docker starts again and again is found running now and then.
	return s.runs(ctx, func(c engine.Container) bool { return !c.Running || c.RestartCount > 0 || s.Wait })
}

// OdooRuns is for an Odoo that somebody else has just started: its login is
// proven, and it goes on.
func (s *Run) OdooRuns(ctx context.Context) error {
	return s.runs(ctx, func(engine.Container) bool { return true })
}

// runs proves the login of an Odoo that was not started here, and watches whether
// it goes on where that is in doubt.
func (s *Run) runs(ctx context.Context, doubt func(engine.Container) bool) error {
	if err := s.proveNow(ctx); err != nil {
		return err
	}
	if s.Stack == nil {
		return s.nativeGoesOn(ctx)
	}
	c, err := s.Stack.Container(ctx, s.Project.OdooServiceName)
	if err != nil || !doubt(c) {
		return err
	}
	return s.goesOn(ctx, c)
}

// proveStart waits until the checker of the container's start has recorded.
func (s *Run) proveStart(ctx context.Context, c engine.Container, startID string) error {
	limit := patience(c.Env["ODPM_TIMEOUT"])
	began, odooSince := time.Now(), time.Time{}
	for !s.recordedAt(startID) {
		now, err := s.Stack.Container(ctx, s.Project.OdooServiceName)
		if err != nil {
			return err
		}
		if !now.Running || again(c, now) {
			// The record may have come while the question was on its way.
			if s.recordedAt(startID) {
				return nil
			}
			return s.odooFailed(ctx, now)
		}
		if time.Since(began) > limit {
			return fmt.Errorf("%w\nFor details: %s", s.withLogs(ctx, fmt.Sprintf("Odoo's container %s is running, but its checker recorded no login within %s", now.Name, limit), 15), s.logsCommand())
		}
		pause := 50 * time.Millisecond
		if time.Since(began) > 2*time.Second {
			// By now the checker waits for something, or it is over and has
			// recorded nothing: what it records it records before it becomes Odoo.
			pause = 250 * time.Millisecond
			checks, err := s.checkerRuns(ctx)
			switch {
			case err != nil:
				return err
			case checks:
				odooSince = time.Time{}
			case odooSince.IsZero():
				odooSince = time.Now()
			case time.Since(odooSince) >= time.Second:
				if s.recordedAt(startID) {
					return nil
				}
				return s.notRecorded(ctx, now)
			}
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
	return nil
}

// again tells whether a container is not the one that was looked at, or was
// started once more.
func again(then, now engine.Container) bool {
	return now.ID != then.ID || now.StartedAt != then.StartedAt || now.RestartCount != then.RestartCount
}

// checkerRuns tells whether the checker is among the container's processes: it
// may stand behind an init.
func (s *Run) checkerRuns(ctx context.Context) (bool, error) {
	lines, err := s.Stack.Processes(ctx, s.Project.OdooServiceName)
	return slices.ContainsFunc(lines, func(line string) bool {
		program, _, _ := strings.Cut(line, " ")
		return isChecker(program)
	}), err
}

// notRecorded: Odoo runs, and this start is not among what was recorded. A
// checker of an older odpm in an image does not know of starts; where another
// one, now, cannot record either, it says why.
func (s *Run) notRecorded(ctx context.Context, c engine.Container) error {
	err := s.proveInside(ctx, true)
	if err == nil || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w\n%w\nOnce that is fixed: docker compose -p %s restart %s",
		s.withLogs(ctx, fmt.Sprintf("Odoo is running (container %s), but no login was recorded in %s at this start", c.Name, s.Rel(s.snapshotPath())), 40),
		err, s.Project.Name, s.Project.OdooServiceName)
}

// goesOn looks whether what the checker has become goes on: until it answers a
// request or, where nobody waits for that, has run for livesFor. c is the container
// as it was started.
func (s *Run) goesOn(ctx context.Context, c engine.Container) error {
	limit, since := time.Now().Add(patience(c.Env["ODPM_TIMEOUT"])), time.Time{}
	for {
		now, err := s.Stack.Container(ctx, s.Project.OdooServiceName)
		if err != nil {
			return err
		}
		if !now.Running || again(c, now) {
			return s.odooFailed(ctx, now)
		}
		checks, err := s.checkerRuns(ctx)
		switch {
		case err != nil:
			return err
		case checks && time.Now().After(limit):
			return fmt.Errorf("%w\nFor details: %s", s.withLogs(ctx, "Odoo's container "+now.Name+" is running, but its checker has not become Odoo", 15), s.logsCommand())
		case checks:
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		case time.Since(since) >= livesFor && (!s.Wait || s.addressOf(now) == ""):
			return nil
		case time.Now().After(limit):
			return fmt.Errorf("%w\nFor details: %s", s.withLogs(ctx, s.silent(ctx, "Odoo's container "+now.Name+" is running", s.addressOf(now)), 15), s.logsCommand())
		}
		if !since.IsZero() && s.answers(ctx, s.addressOf(now)) {
			return nil
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// odooFailed shows the last lines of a container that does not go on, and what
// the server says of the login.
func (s *Run) odooFailed(ctx context.Context, c engine.Container) error {
	name := c.Name
	if name == "" {
		name = "of service " + s.Project.OdooServiceName
	}
	what, code := fmt.Sprintf("Odoo's container %s ended with exit code %d (%s)", name, c.ExitCode, exitcode.Meaning(c.ExitCode)), c.ExitCode
	if c.Running {
		// Its code went with the start that it ended; the login may be the reason.
		what, code = fmt.Sprintf("Odoo's container %s ended and was started again", name), exitcode.Refused
	}
	return fmt.Errorf("%w%s\nFor details: %s", s.withLogs(ctx, what, 15), s.seenFromHere(ctx, code), s.logsCommand())
}

// withLogs is an error with the last lines of Odoo's container.
func (s *Run) withLogs(ctx context.Context, what string, lines int) error {
	logs, err := s.Stack.ServiceLogs(ctx, s.Project.OdooServiceName, lines)
	if err != nil {
		logs = err.Error()
	}
	return errors.New(what + ". Its last lines:\n" + ui.CleanLog(logs))
}

func (s *Run) logsCommand() string {
	return "docker compose -p " + s.Project.Name + " logs " + s.Project.OdooServiceName
}

func (s *Run) startFailed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if c, cerr := s.Stack.Container(ctx, s.Project.OdooServiceName); cerr == nil && c.ID != "" && !c.Running && c.ExitCode != 0 {
		return s.odooFailed(ctx, c)
	}
	return fmt.Errorf("the stack did not start: %w", err)
}
