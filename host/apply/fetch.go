package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engines/writers"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/wording"
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
