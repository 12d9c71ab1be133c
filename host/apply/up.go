package apply

import (
	"context"
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/host/world"
	"github.com/odpm/odpm/shared/durable"
)

// up starts Odoo, and is done when its login is proven.
func (r *Run) up(ctx context.Context) error {
	if r.Stack == nil {
		if err := r.upNative(ctx); err != nil {
			return err
		}
	} else {
		r.Term.Step("starting Odoo")
		if err := r.upStack(ctx); err != nil {
			return err
		}
	}
	r.done.Up = true
	return r.Dirs.KeepAcceptances(nil)
}

// rememberUp records what an `up` that succeeded has made.
func (r *Run) rememberUp(ctx context.Context) error {
	up := world.Up{Inputs: world.ConfigInputs(ctx, r.Inputs, r.Stack)}
	if was := world.RememberedUp(r.Dirs); up.Inputs != "" && up.Inputs == was.Inputs {
		up.Config = was.Config
	}
	if up.Config == "" {
		doc, err := r.Stack.Config(ctx, nil)
		if err != nil {
			return err
		}
		up.Config = world.Digest(doc)
	}
	var err error
	if up.Services, err = r.hashes(ctx); err != nil {
		return err
	}
	return r.writeUp(up)
}

// rememberLook keeps what was dear to find out and has not changed, for the
// next look: compose's judgement, what the image's files have shown, the digest
// of the checker.
func (r *Run) rememberLook() error {
	if r.Stack == nil {
		return nil
	}
	if err := r.rememberChecker(); err != nil {
		return err
	}
	if img := r.World.OdooImage; img != nil {
		if err := engines.RememberImage(r.Dirs, img.ID, img.ImageFiles); err != nil {
			return err
		}
	}
	up := world.RememberedUp(r.Dirs)
	c, asked := r.World.ConfigOf(nil)
	if !asked || c.Err != nil || c.Inputs == "" || c.Digest != up.Config || c.Inputs == up.Inputs {
		return nil
	}
	up.Inputs = c.Inputs
	return r.writeUp(up)
}

// restarted corrects the record after Odoo alone was brought up: compose up to
// 2.20 gives a service another hash where it is named together with --no-deps.
func (r *Run) restarted(ctx context.Context) error {
	was := world.RememberedUp(r.Dirs)
	if was.Services == nil {
		return nil
	}
	hashes, err := r.hashes(ctx)
	if hash := hashes[r.Project.OdooServiceName]; err == nil && hash != "" && hash != was.Services[r.Project.OdooServiceName] {
		was.Services[r.Project.OdooServiceName] = hash
		err = r.writeUp(was)
	}
	return err
}

func (r *Run) hashes(ctx context.Context) (map[string]string, error) {
	all, err := r.Stack.Containers(ctx, r.Project.Name)
	hashes := map[string]string{}
	for _, c := range all {
		if c.Service != "" && !c.OneOff {
			hashes[c.Service] = c.ConfigHash
		}
	}
	return hashes, err
}

func (r *Run) writeUp(up world.Up) error {
	data, err := json.MarshalIndent(up, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(r.Dirs.State(), state.UpFile), append(data, '\n'), 0o600)
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
