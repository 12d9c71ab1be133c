package swap

import (
	"context"
	"fmt"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/odoodb/fault"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/shared/shell"
)

// Finish drops what was replaced, or leaves it where nobody can log in, and
// ends the journal. held names what kept the old database from being dropped: with
// somebody who holds it, it stays; where the drop failed (a full disk, a server
// that went down in it), the journal stays as well, and the next run drops it.
func Finish(ctx context.Context, s *server.Server, c *cluster.Session, j *Journal) (held error, err error) {
	if !j.KeepOld {
		var failed error
		held, failed = dropOld(ctx, c, j)
		fault.At("finish dropped")
		if failed != nil {
			return fmt.Errorf("%w; the next run of odpm tries again", failed), nil
		}
		if held == nil && !j.KeepFiles {
			if err := j.removeFiles(ctx, j.Old); err != nil {
				return nil, fmt.Errorf("remove the old file store; do it with: sudo rm -rf %s: %w", shell.Quote(j.At(j.Old)), err)
			}
		}
	}
	fault.At("finish emptied")
	return held, j.remove()
}

// dropOld drops the replaced database, unless something has come to hold it.
func dropOld(ctx context.Context, c *cluster.Session, j *Journal) (held, failed error) {
	name, err := server.ByOID(ctx, c, j.OldOID)
	if err != nil || name == "" {
		return nil, err
	}
	if name != j.Old {
		return fmt.Errorf("the replaced database is now called %q", name), nil
	}
	holders, err := drop.Holders(ctx, c, name)
	if err != nil {
		return nil, err
	}
	if len(holders) > 0 {
		return server.HeldBy(name, "", holders), nil
	}
	if err = drop.Hidden(ctx, c, name, j.OldOID); server.Holders(err) != nil {
		return err, nil
	}
	return nil, err
}
