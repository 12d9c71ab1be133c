package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/shared/exitcode"
)

// besideTimeout is for a program that prepares Odoo first, which may install
// Python packages for minutes.
const besideTimeout = 15 * time.Minute

// proveBeside waits until the program in front of Odoo has made Odoo's
// configuration, and has a checker in the same container log in with that. c is
// the container as it was started.
func (s *Run) proveBeside(ctx context.Context, c engine.Container) error {
	end, said := time.Now().Add(besideTimeout), false
	for {
		now, err := s.Stack.Container(ctx, s.Project.OdooServiceName)
		if err != nil {
			return err
		}
		if !now.Running || again(c, now) {
			return s.odooFailed(ctx, now)
		}
		code, out, err := s.checkBeside(ctx, now)
		switch {
		case err != nil:
			return err
		case code == 0 && s.recorded():
			return nil
		case code == 0:
			return s.recordedElsewhere("the checker in Odoo's container " + now.Name)
		case code != exitcode.Config || time.Now().After(end):
			return s.checkFailed(ctx, "the checker in Odoo's container "+now.Name, code, out)
		}
		if !said {
			s.Term.Step("waiting until %s has written Odoo's configuration", c.Argv[0])
			said = true
		}
		if err := sleep(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
}

// checkBeside runs the checker once. A code of Config may mean that odoo.conf is
// not there yet.
func (s *Run) checkBeside(ctx context.Context, c engine.Container) (code int, said string, err error) {
	argv := append([]string{s.Desired.Image.InImage, "--check", "--timeout", defaultCheckerTimeout.String(), "--"}, s.Desired.Image.Beside...)
	out := wording.Tail{Max: 16 << 10}
	ectx, cancel := context.WithTimeout(ctx, defaultCheckerTimeout+execMargin)
	defer cancel()
	err = s.Stack.Exec(ectx, c, argv, recording(true), &out)
	var exit *engine.ExitError
	switch {
	case err == nil:
		return 0, "", nil
	case ctx.Err() != nil:
		return 0, "", ctx.Err()
	case errors.As(err, &exit) && !slices.Contains([]int{126, 127}, exit.Code):
		return exit.Code, out.String(), nil
	}
	return 0, "", fmt.Errorf("the checker could not be run in Odoo's container: %w", err)
}
