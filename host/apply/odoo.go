package apply

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/compose/foreign"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/swap"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/world"
	"github.com/odpm/odpm/shared/exitcode"
)

// UpPostgres brings up PostgreSQL alone: files, server and role as the project
// wants them, interrupted work put right. Odoo is left as it is.
func (s *Run) UpPostgres(ctx context.Context) error {
	if err := s.To(ctx, plan.Want{Goal: plan.Role, ReplaceCompose: s.Want.ReplaceCompose}); err != nil {
		return err
	}
	return s.recover(ctx)
}

// Up starts Odoo too, and is done when its login is proven.
func (s *Run) Up(ctx context.Context) error {
	if err := s.again(ctx); err != nil {
		return err
	}
	return s.To(ctx, plan.Want{Goal: plan.Odoo, ReplaceCompose: s.Want.ReplaceCompose})
}

// CanRunOdoo is asked before a database is made for it.
func (s *Run) CanRunOdoo(ctx context.Context) error {
	if s.Stack != nil {
		q := plan.Access(s.Inputs, s.World, s.Desired)
		w, err := s.Ask(ctx, world.Questions{Access: &q})
		if err != nil {
			return err
		}
		if err := plan.AccessRefusal(*w.Access, "Odoo was not started."); err != nil {
			return err
		}
		_, err = s.once(nil)
		return err
	}
	return s.CanRunOdooNative()
}

// CanRunOdooNative is CanRunOdoo without Docker, which needs no server.
func (s *Run) CanRunOdooNative() error {
	if len(s.Project.OdooCommand) == 0 {
		return errors.New(".env: ODOO_COMMAND is not set; without Docker odpm must know how Odoo is started, for example ODOO_COMMAND=./odoo-bin")
	}
	return nil
}

// OdooService is the Odoo that stands still for a swap; nil where there is none.
func (s *Run) OdooService() swap.OdooService {
	switch {
	case s.Stack != nil:
		return stackOdoo{s}
	case len(s.Project.OdooCommand) > 0:
		return nativeOdoo{s}
	}
	return nil
}

type stackOdoo struct{ s *Run }

func (o stackOdoo) Running(ctx context.Context) (bool, error) {
	c, err := o.s.Stack.Container(ctx, o.s.Project.OdooServiceName)
	// A paused one holds its connections, and goes on where it was.
	return c.Running || c.Paused, err
}
func (o stackOdoo) Stop(ctx context.Context) error {
	return o.s.Stack.StopService(ctx, o.s.Project.OdooServiceName)
}
func (o stackOdoo) Start(ctx context.Context) error {
	if err := o.s.Stack.Up(ctx, nil, o.s.Project.OdooServiceName); err != nil {
		return err
	}
	return o.s.restarted(ctx)
}

type nativeOdoo struct{ s *Run }

func (o nativeOdoo) Running(context.Context) (bool, error) { return o.s.odooProcess().Runs(), nil }
func (o nativeOdoo) Stop(ctx context.Context) error        { return o.s.odooProcess().stop(ctx) }
func (o nativeOdoo) Start(ctx context.Context) error       { return o.s.startNativeOdoo(ctx) }

// OdooCommand is what starts Odoo in its container.
func (s *Run) OdooCommand() []string {
	if s.Inputs.OdooCommand != nil {
		// Not the line itself: who gets it adds options.
		return slices.Clone(s.Inputs.OdooCommand)
	}
	if s.kept != nil {
		return slices.Clone(s.Desired.Image.Command)
	}
	return s.Desired.Spec.OdooCommand()
}

// RunOdooOnce runs Odoo beside a service that may run, and waits for its end. record:
// its login is one of the project's own.
func (s *Run) RunOdooOnce(ctx context.Context, record bool, args []string) error {
	err := s.odooOnce(ctx, record, args)
	var exit *engine.ExitError
	var native *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return fmt.Errorf("the one-off Odoo ended with exit code %d (%s); its output is above", exit.Code, exitcode.Meaning(exit.Code))
	case errors.As(err, &native):
		return fmt.Errorf("the one-off Odoo ended with exit code %d (%s); its output is above", native.ExitCode(), exitcode.Meaning(native.ExitCode()))
	}
	return err
}

// HandsOn tells whether Odoo gets its arguments unchanged, a command such as
// neutralize included, from the program that the service starts first.
func (s *Run) HandsOn() bool {
	run, err := s.once(nil)
	return err == nil && run.Entrypoint == ""
}

// once is a one-off Odoo with args, behind what the service starts it with.
func (s *Run) once(args []string) (engine.RunOnce, error) {
	run := engine.RunOnce{Service: s.Project.OdooServiceName, Args: append(s.OdooCommand(), args...), NoDeps: true}
	var service types.ServiceConfig
	var entry []string
	command := s.OdooCommand()
	switch {
	case s.kept != nil && s.Desired.Image.Beside != nil:
		return run, nil // the program in front is known to hand them on
	case s.kept != nil:
		service = s.kept.Doc.Services[s.Project.OdooServiceName]
		entry = s.Desired.Image.Entrypoint
		if checker := s.Desired.Image.InImage; checker != "" && !slices.Contains(entry, checker) && !slices.ContainsFunc(entry, isChecker) {
			entry = append([]string{checker, "--"}, entry...)
		}
	case s.Inputs.Merged != nil:
		service = s.Inputs.Merged.Services[s.Project.OdooServiceName]
		if entry = service.Entrypoint; len(entry) > 0 && len(service.Command) == 0 {
			command = nil // it takes options alone
			run.Args = args
		}
	}
	ignores := s.Desired.Image.Ignores
	if len(entry) == 0 && ignores == "" {
		return run, nil // the image's own
	}
	line, changed, why := foreign.OnceLine(service, entry, command, args)
	if ignores != "" && (len(entry) == 0 || slices.Contains(entry, ignores)) {
		why = ignores + ` in its image does not pass its arguments on ("$@")`
	}
	if why != "" {
		return run, &ui.Refusal{Code: codes.SettingsConflict, What: fmt.Sprintf("Service %s is started in a way that gives Odoo no arguments: %s. Odoo was not started.", s.Project.OdooServiceName, why),
			Ways: []string{`add "$@" to the arguments of Odoo there, for example: exec odoo "$@"        then the same command`}}
	}
	if changed {
		run.Entrypoint, run.Args = line[0], line[1:]
	}
	return run, nil
}

func (s *Run) odooOnce(ctx context.Context, record bool, args []string) error {
	var how []string
	if !record {
		how = []string{NoRecord}
	}
	stream, back := s.Term.Lend()
	defer back()
	if s.Stack != nil {
		run, err := s.once(args)
		if err != nil {
			return err
		}
		run.Stdout, run.Stderr, run.Env = stream, stream, append(run.Env, how...)
		return s.Stack.RunOnce(ctx, run)
	}
	argv, err := s.OdooArgv(ctx, args...)
	if err != nil {
		return err
	}
	env, err := s.OdooEnv(ctx)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, s.Desired.Image.Checker, append([]string{"--"}, argv...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.Project.Dir, append(env, how...), stream, stream
	return cmd.Run()
}
