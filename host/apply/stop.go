package apply

import (
	"context"

	"github.com/odpm/odpm/host/look"
	"github.com/odpm/odpm/host/ui"
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
