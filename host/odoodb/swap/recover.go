package swap

import (
	"context"
	"fmt"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/odoodb/fault"
	"github.com/odpm/odpm/host/odoodb/journal"
	"github.com/odpm/odpm/host/odoodb/server"
)

// Recover may be killed as well as what it recovers from, and its
// statements outlive it: it holds the restore's lock while it works.
func Recover(ctx context.Context, s *server.Server, c *cluster.Session, j *Journal, odoo OdooService) (journal.Recovered, error) {
	r := journal.Recovered{Database: j.Target, OdooStarted: j.OdooStopped && odoo != nil}
	if err := server.Quiesce(ctx, c, j.New); err != nil {
		return r, err
	}
	if err := server.Interlock(ctx, c, j.New); err != nil {
		return r, err
	}
	if err := j.openFiles(s.Files); err != nil {
		return r, err
	}
	defer j.Close()
	fault.At("recovering")
	name, err := server.ByOID(ctx, c, j.NewOID)
	if err != nil {
		return r, err
	}
	r.Completed = j.Step == stepSwapped || j.Step == StepSwapping && name == j.Target
	if r.Completed && j.Step == StepSwapping {
		// Somebody's drop of it was cut short: then the replaced one is what is left.
		info, err := server.Lookup(ctx, c, name)
		if err != nil {
			return r, err
		}
		r.Completed = !info.Invalid
	}
	if r.Completed {
		r.Kept, err = complete(ctx, s, c, j, odoo)
	} else {
		err = revert(ctx, s, c, j, odoo)
	}
	return r, err
}

func complete(ctx context.Context, s *server.Server, c *cluster.Session, j *Journal, odoo OdooService) (kept string, err error) {
	if j.Step == StepSwapping {
		if err := j.moveFiles(); err != nil {
			return "", err
		}
		fault.At("complete moved")
		if err := open(ctx, c, j); err != nil {
			return "", fmt.Errorf("allow connections to database %q: %w", j.Target, err)
		}
		if err := j.To(stepSwapped); err != nil {
			return "", err
		}
	}
	if err := RestartOdoo(ctx, j, odoo); err != nil {
		return "", err
	}
	held, err := Finish(ctx, s, c, j)
	if held != nil {
		return fmt.Sprintf("%s (%v)", j.Old, held), err
	}
	return "", err
}
