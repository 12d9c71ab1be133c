package apply

import (
	"context"
	"errors"
	"slices"

	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/look"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/world"
)

// Stop is `odpm stop`: what runs for this project is stopped, PostgreSQL last, and
// nothing is removed. Drift is in nobody's way here: a server on the wrong
// directory is stopped too. It gives the names of what it stopped.
func Stop(ctx context.Context, o Options) ([]string, error) {
	v, err := look.At(ctx, o.Options)
	if err != nil {
		return nil, err
	}
	if v.World.EngineErr != nil {
		return nil, v.World.EngineErr
	}
	if err := stackElsewhere(v); err != nil {
		return nil, err
	}
	r := &Run{Args: o.Args, Term: o.Term, Verbose: o.Verbose}
	r.see(v)
	lock, err := r.Dirs.LockProject(r.LockTarget(), "odpm stop")
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	r.sweep()
	// What another run started while this one waited for the lock is stopped too.
	if v, err = look.At(ctx, o.Options); err != nil {
		return nil, err
	}
	if err := stackElsewhere(v); err != nil {
		return nil, err
	}
	r.see(v)
	r.open()
	var stopped []string
	if r.Stack != nil {
		for _, c := range r.World.Containers {
			if !c.Here || c.OneOff || c.Service == r.Project.ServiceName {
				continue
			}
			did, err := r.Stack.StopContainer(ctx, c.ID)
			if err != nil {
				return stopped, err
			}
			if did {
				stopped = append(stopped, ui.Clean(c.Service))
			}
		}
	} else if odoo := (nativeOdoo{r}); r.odooProcess().Runs() {
		if err := odoo.Stop(ctx); err != nil {
			return nil, err
		}
		stopped = append(stopped, "odoo")
	}
	if r.own == nil || !r.World.Status.Running {
		return stopped, nil
	}
	if err := r.own.Stop(ctx); err != nil {
		return stopped, err
	}
	return append(stopped, ui.Clean(r.Project.ServiceName)), nil
}

// stackElsewhere: what runs under this stack's name was started in another directory.
// Compose would take its PostgreSQL for this project's, and so did stop: two
// projects in directories called "shop" stopped each other.
func stackElsewhere(v *look.View) error {
	if !slices.ContainsFunc(v.World.Containers, func(c world.Container) bool { return !c.Here && (c.Running || c.Paused) }) {
		return nil
	}
	for _, r := range v.Plan.Refusals {
		var refused *ui.Refusal
		if errors.As(r.Err, &refused) && (refused.Code == codes.StackNameTaken || refused.Code == codes.StackMoved) {
			return refused
		}
	}
	return nil
}
