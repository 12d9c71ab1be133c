package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/desired"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/engines/writers"
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/host/look"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/host/world"
	"github.com/odpm/odpm/shared/shell"
)

// fetched gets what the new stack is started from while the old one still runs as it
// did: an image that no registry gives must not be found out when that is down.
func fetched(ctx context.Context, o Options, t Takeover) error {
	const after = "Nothing was written or stopped."
	a := t.Before
	stack := writers.Theirs(a.Dir, a.Project, a.Files, nil)
	for _, service := range t.Build {
		if err := build(ctx, o.Term, stack, service, after); err != nil {
			return wording.WithNext(err, "To see the whole build", "docker compose -f "+shell.Quote(a.File)+" build "+shell.Quote(service))
		}
	}
	for _, image := range t.Pull {
		if err := pull(ctx, o.Term, stack, image, after); err != nil {
			return err
		}
	}
	return nil
}

// fetchedAgain gets what the old stack is started from, where it was removed since,
// while the new one still runs.
func fetchedAgain(ctx context.Context, o Options, a *state.Adoption, old engine.TheirStack) error {
	reader := engines.Engine(ctx)
	for _, service := range a.Ran {
		image := a.Images[service]
		if image == "" || reader == nil {
			continue
		}
		if _, err := reader.ImageConf(ctx, image); !errors.Is(err, engine.ErrNoImage) {
			continue // the start says what else is wrong
		}
		if err := pull(ctx, o.Term, old, image, "Nothing was undone."); err != nil {
			return err
		}
	}
	return nil
}

// withChecker makes the image that has odpm-checker in front of Odoo, or finds out that
// it cannot be made, while the old stack still runs.
func withChecker(ctx context.Context, o Options, t Takeover, dirs state.Dirs) error {
	reader := engines.Engine(ctx)
	if reader == nil || t.OdooImage == "" || t.Project != nil && t.Project.Runtime == project.Native {
		return nil // the start says what is wrong
	}
	env, err := project.Environment(o.Dir, o.Home, o.Environ)
	if err != nil {
		return err
	}
	base, err := reader.Image(ctx, t.OdooImage)
	if err != nil {
		return err
	}
	checker := world.CheckerFor(env, t.OdooImage, base, dirs)
	if base.Checker == "" && checker.Err != nil {
		return fmt.Errorf("nothing was written or stopped: %w", checker.Err)
	}
	if t.Project == nil {
		return nil // it is mounted
	}
	in := &inputs.Inputs{Project: t.Project, Dirs: dirs}
	w := &world.World{Kind: engines.Docker, Stack: true, OdooImage: &base, Checker: checker}
	stack := writers.OldStack(in, t.Project.Name)
	if w.Built, err = stack.Built(ctx, world.BuiltRepository(t.Project.Name)); err != nil {
		return err
	}
	image := desired.ImageOf(in, w)
	if !image.Build || image.Present {
		return nil
	}
	r := &Run{View: &look.View{Inputs: in, World: w, Desired: &desired.Desired{Image: image}}, Term: o.Term, Project: t.Project, Dirs: dirs, Stack: stack}
	if err := r.build(ctx, image.Ref); err != nil {
		return fmt.Errorf("nothing was written or stopped: %w", err)
	}
	return nil
}

// pull gets an image; after says what was not done where it cannot.
func pull(ctx context.Context, term *ui.Terminal, by interface {
	Pull(ctx context.Context, ref string) error
}, image, after string) error {
	term.Step("pulling %s", ui.Clean(image))
	err := by.Pull(ctx, image)
	var failed *engine.PullError
	if ctx.Err() != nil || !errors.As(err, &failed) {
		return err
	}
	return &ui.Refusal{Code: codes.ImageMissing, What: fmt.Sprintf("The image %s is not on this machine and could not be pulled. %s", ui.Clean(image), after),
		Details: strings.Split("reason: "+ui.CleanLines(failed.Err.Error()), "\n"),
		Ways:    []string{"docker pull " + shell.Quote(image) + "        once that works, the same command again"}, Err: err}
}

// build makes the image of a service that the compose file builds.
func build(ctx context.Context, term *ui.Terminal, by interface {
	BuildService(ctx context.Context, service string) error
}, service, after string) error {
	term.Step("building service %s", ui.Clean(service))
	if err := by.BuildService(ctx, service); err != nil {
		return fmt.Errorf("service %s could not be built. %s\n%w", ui.Clean(service), after, err)
	}
	return nil
}
