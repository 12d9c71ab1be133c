package plan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb"
)

// OdooService is the Odoo that stands still for a swap; nil where there is none.
func (s *Session) OdooService() odoodb.OdooService {
	switch {
	case s.Stack != nil:
		return stackOdoo{s}
	case len(s.Project.OdooCommand) > 0:
		return nativeOdoo{s}
	}
	return nil
}

type stackOdoo struct{ s *Session }

func (o stackOdoo) Running(ctx context.Context) (bool, error) {
	c, err := o.s.Stack.Container(ctx, o.s.Project.OdooServiceName)
	// A paused one holds its connections, and goes on where it was.
	return c.Running || c.Paused, err
}
func (o stackOdoo) Stop(ctx context.Context) error {
	return o.s.Stack.StopService(ctx, o.s.Project.OdooServiceName)
}
func (o stackOdoo) Start(ctx context.Context) error {
	was, err := o.s.readBroughtUp()
	if err := o.s.Stack.Up(ctx, nil, o.s.Project.OdooServiceName); err != nil {
		return err
	}
	if err != nil || was.Services == nil {
		return nil
	}
	// compose up to 2.20 gives a service another hash where it is named
	// together with --no-deps, and the record has the last.
	hashes, err := o.s.composeHashes(ctx)
	if hash := hashes[o.s.Project.OdooServiceName]; err == nil && hash != "" && hash != was.Services[o.s.Project.OdooServiceName] {
		was.Services[o.s.Project.OdooServiceName] = hash
		err = o.s.writeBroughtUp(was)
	}
	return err
}

type nativeOdoo struct{ s *Session }

func (o nativeOdoo) Running(context.Context) (bool, error) { return o.s.odooProcess().runs(), nil }
func (o nativeOdoo) Stop(ctx context.Context) error        { return o.s.odooProcess().stop(ctx) }
func (o nativeOdoo) Start(ctx context.Context) error       { return o.s.startNativeOdoo(ctx) }

// CanRunOdoo is asked before a database is made for it.
func (s *Session) CanRunOdoo(ctx context.Context) error {
	if s.Stack != nil {
		return s.checkAccess(ctx, "Odoo was not started.")
	}
	if len(s.Project.OdooCommand) == 0 {
		return errors.New(".env: ODOO_COMMAND is not set; without Docker odpm must know how Odoo is started, for example ODOO_COMMAND=./odoo-bin")
	}
	return nil
}

// OdooCommand is what starts Odoo in its container.
func (s *Session) OdooCommand() []string { return s.spec.OdooCommand() }

// RunOdooOnce runs Odoo beside a service that may run, and waits for its end.
func (s *Session) RunOdooOnce(ctx context.Context, args []string) error {
	err := s.odooOnce(ctx, args)
	var exit *engine.ExitError
	var native *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return fmt.Errorf("the one-off Odoo ended with exit code %d (%s); its output is above", exit.Code, exitMeaning(exit.Code))
	case errors.As(err, &native):
		return fmt.Errorf("the one-off Odoo ended with exit code %d (%s); its output is above", native.ExitCode(), exitMeaning(native.ExitCode()))
	}
	return err
}

func (s *Session) odooOnce(ctx context.Context, args []string) error {
	if s.Stack != nil {
		return s.Stack.RunOnce(ctx, engine.RunOnce{Service: s.Project.OdooServiceName,
			Args: append(s.OdooCommand(), args...), Stdout: s.Term.Stream(), Stderr: s.Term.Stream(), NoDeps: true})
	}
	argv, err := s.OdooArgv(ctx, args...)
	if err != nil {
		return err
	}
	env, err := s.OdooEnv(ctx)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, s.want.image.checker, append([]string{"--"}, argv...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.Project.Dir, env, s.Term.Stream(), s.Term.Stream()
	return cmd.Run()
}
