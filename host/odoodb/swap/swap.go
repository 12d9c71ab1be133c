// Package swap puts a restored database and its file store in the place of the old ones,
// all or nothing of it, or back, after a crash too.
package swap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/interrupt"
	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/odoodb/fault"
	"github.com/odpm/odpm/host/odoodb/progress"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/quote"
)

// Limit is far more than renaming takes; a server that hangs must not keep
// a run for ever.
const Limit = 10 * time.Minute

// Run puts the new database and file store in the place of the old ones. On
// an error everything is back as it was, or the journal is still there and
// the error says so.
func Run(ctx context.Context, s *server.Server, c *cluster.Session, j *Journal, odoo OdooService, report progress.Func) error {
	// From here on half of the work is worse than all or nothing of it, so
	// cancelling is looked at before every step and then ends in reverting.
	work, done := interrupt.Cleanup(ctx, Limit)
	defer done()
	if err := j.To(StepSwapping); err != nil {
		return err
	}
	report.Send(progress.Event{Phase: progress.PhaseSwap, Total: 1, Items: true})
	err := s.Unblocked(work, server.SessionOf(c.Conn), func(work context.Context) error { return steps(ctx, work, s, c, j, odoo) })
	if server.IsLocked(err) {
		err = fmt.Errorf("database %q was not replaced: %w", j.Target, err)
	}
	if err == nil {
		// What fails from here on is the next run's to complete, not to undo.
		if err := openAtLast(work, s, c, j); err != nil {
			return fmt.Errorf("database %q is restored but still closed to connections; the next run of odpm opens it: %w", j.Target, err)
		}
		err := j.To(stepSwapped)
		report.Send(progress.Event{Phase: progress.PhaseSwap, Done: 1, Total: 1, Items: true, Finished: true})
		return err
	}
	if rerr := Undo(ctx, s, c, j, odoo); rerr != nil {
		return errors.Join(err, fmt.Errorf("undoing it failed as well; the next run of odpm tries again: %w", rerr))
	}
	return err
}

// Undo reverts what a failed restore did, on a connection and in a time of its
// own: a cancellation closes the connection that it meets, and the server may
// still be at work for it. c is not used again.
func Undo(ctx context.Context, s *server.Server, c *cluster.Session, j *Journal, odoo OdooService) error {
	ctx, done := interrupt.Cleanup(ctx, Limit)
	defer done()
	engine.Close(c)
	c, err := s.Administrator(ctx, server.Maintenance)
	if err != nil {
		return err
	}
	defer engine.Close(c)
	if err := server.Quiesce(ctx, c, j.New); err != nil {
		return err
	}
	if err := server.Interlock(ctx, c, j.New); err != nil {
		return err
	}
	return revert(ctx, s, c, j, odoo)
}

func steps(ctx, work context.Context, s *server.Server, c *cluster.Session, j *Journal, odoo OdooService) error {
	if err := stopOdoo(ctx, j, odoo); err != nil {
		return err
	}
	fault.At("odoo stopped")
	if err := ctx.Err(); err != nil {
		return err
	}
	if j.OldOID != 0 {
		old, err := server.Lookup(ctx, c, j.Target)
		if err != nil {
			return err
		}
		if old.OID != j.OldOID {
			return fmt.Errorf("database %q was replaced by another one during the restore", j.Target)
		}
		if err := copySettings(work, c, old, j.New, s.AppRole); err != nil {
			return err
		}
		if _, err := c.Exec(work, `ALTER DATABASE `+quote.Ident(j.Target)+` ALLOW_CONNECTIONS false`); err != nil {
			return fmt.Errorf("close database %q to connections: %w", j.Target, err)
		}
	}
	if j.OldOID == 0 {
		if err := dropInvalid(work, c, j.Target); err != nil {
			return err
		}
	}
	fault.At("shut")
	if err := renameBoth(ctx, work, c, j); err != nil {
		return err
	}
	fault.At("renamed")
	if err := j.moveFiles(); err != nil {
		return err
	}
	fault.At("files moved")
	return nil
}

// dropInvalid makes the name free that an interrupted drop keeps. Nothing in such a
// database can be read, so there is nothing to bring back if the swap fails.
func dropInvalid(ctx context.Context, c *cluster.Session, database string) error {
	info, err := server.Lookup(ctx, c, database)
	if server.IsMissing(err) || err == nil && !info.Invalid {
		return nil
	}
	if err != nil {
		return err
	}
	return drop.Hidden(ctx, c, database, info.OID)
}

// renameBoth does both renames in one transaction: there is no moment without
// a database of that name. It lets nobody into the new one, whose files are
// still to come: Odoo would miss its attachments, and write new ones to a directory
// that is about to be thrown away.
func renameBoth(ctx, work context.Context, c *cluster.Session, j *Journal) error {
	var err error
	for range 3 {
		if err = ctx.Err(); err != nil {
			return err
		}
		for _, oid := range []uint32{j.OldOID, j.NewOID} {
			if oid == 0 {
				continue
			}
			if err = drop.EndSessions(ctx, c, oid); err != nil {
				return err
			}
		}
		err = pgx.BeginFunc(work, c, func(tx pgx.Tx) error {
			if j.OldOID != 0 {
				if _, err := tx.Exec(work, `ALTER DATABASE `+quote.Ident(j.Target)+` RENAME TO `+quote.Ident(j.Old)); err != nil {
					return err
				}
			}
			if _, err := tx.Exec(work, `ALTER DATABASE `+quote.Ident(j.New)+` RENAME TO `+quote.Ident(j.Target)); err != nil {
				return err
			}
			_, err := tx.Exec(work, `ALTER DATABASE `+quote.Ident(j.Target)+` IS_TEMPLATE false ALLOW_CONNECTIONS false`)
			return err
		})
		// 55006 is somebody who is still in there: PostgreSQL has waited for
		// five seconds already.
		var pgErr *pgconn.PgError
		if err == nil || !errors.As(err, &pgErr) || pgErr.Code != "55006" {
			break
		}
	}
	if err == nil {
		return nil
	}
	if held, herr := drop.PreparedHolders(work, c, j.Target); herr == nil && len(held) > 0 {
		return server.HeldBy(j.Target, "", held)
	}
	return fmt.Errorf("swap database %q: %w", j.Target, err)
}

// open lets connections into the new database, whose files are in place by now.
func open(ctx context.Context, c *cluster.Session, j *Journal) error {
	_, err := c.Exec(ctx, `ALTER DATABASE `+quote.Ident(j.Target)+` ALLOW_CONNECTIONS true`)
	if err == nil {
		fault.At("opened")
	}
	return err
}

// openAtLast tries a second connection: a database that is whole must not stay
// closed because the restore's own was lost.
func openAtLast(ctx context.Context, s *server.Server, c *cluster.Session, j *Journal) error {
	err := open(ctx, c, j)
	if err == nil {
		return nil
	}
	again, aerr := s.Administrator(ctx, server.Maintenance)
	if aerr != nil {
		return errors.Join(err, aerr)
	}
	defer engine.Close(again)
	return open(ctx, again, j)
}

// moveFiles gives the new file store its name. Every state in which a crash
// can leave the three names is one that it goes on from: the new one is there
// until it has been moved.
func (j *Journal) moveFiles() error {
	fresh, err := j.Has(j.New)
	if err != nil || !fresh {
		return err
	}
	live, err := j.Has(j.LiveName())
	if err != nil {
		return err
	}
	if live {
		former, err := j.Has(j.Old)
		if err == nil && former {
			err = fmt.Errorf("file store %s already exists", j.At(j.Old))
		}
		if err != nil {
			return err
		}
		if err := j.Home.Move(j.LiveName(), j.Old); err != nil {
			return fmt.Errorf("move the old file store away: %w", err)
		}
		fault.At("files half")
	}
	if err := j.Home.Install(j.New, j.LiveName(), j.Made); err != nil {
		return fmt.Errorf("put the new file store in place: %w", err)
	}
	return j.Home.Sync()
}

// moveFilesBack undoes moveFiles, from every state again.
func (j *Journal) moveFilesBack() error {
	if j.Home == nil {
		return nil
	}
	fresh, err := j.Has(j.New)
	if err != nil {
		return err
	}
	live, err := j.Has(j.LiveName())
	if err != nil {
		return err
	}
	if !fresh && live {
		if err := j.Home.Move(j.LiveName(), j.New); err != nil {
			return fmt.Errorf("move the new file store out again: %w", err)
		}
		live = false
	}
	former, err := j.Has(j.Old)
	if err != nil {
		return err
	}
	if former && !live {
		if err := j.Home.Move(j.Old, j.LiveName()); err != nil {
			return fmt.Errorf("put the old file store back: %w", err)
		}
	}
	return j.Home.Sync()
}

// revert brings back what was there before the swap and removes the new
// database and file store. It is safe to run again after a crash.
func revert(ctx context.Context, s *server.Server, c *cluster.Session, j *Journal, odoo OdooService) error {
	wasSwapping := j.Step != StepLoading
	if wasSwapping {
		if err := j.To(stepReverting); err != nil {
			return err
		}
		fault.At("revert begun")
		if err := revertSwap(ctx, s, c, j); err != nil {
			return err
		}
		fault.At("revert renamed")
	}
	if err := drop.Hidden(ctx, c, j.New, j.NewOID); err != nil {
		return fmt.Errorf("drop the unfinished database %q: %w", j.New, err)
	}
	if _, err := drop.Loader(ctx, c, j.New); err != nil {
		return fmt.Errorf("drop the role of the unfinished restore, %q: %w", j.New, err)
	}
	fault.At("revert dropped")
	if err := j.removeFiles(ctx, j.New); err != nil {
		return fmt.Errorf("remove the unfinished file store: %w", err)
	}
	fault.At("revert emptied")
	if err := RestartOdoo(ctx, j, odoo); err != nil {
		return err
	}
	return j.remove()
}

func revertSwap(ctx context.Context, s *server.Server, c *cluster.Session, j *Journal) error {
	newName, err := server.ByOID(ctx, c, j.NewOID)
	if err != nil {
		return err
	}
	oldName, err := server.ByOID(ctx, c, j.OldOID)
	if err != nil {
		return err
	}
	if newName == j.Target || oldName == j.Old && oldName != "" {
		invalid := false // cannot be altered, and is dropped after this
		if newName != "" {
			info, err := server.Lookup(ctx, c, newName)
			if err != nil {
				return err
			}
			invalid = info.Invalid
		}
		if newName != "" && !invalid {
			if _, err := c.Exec(ctx, `ALTER DATABASE `+quote.Ident(newName)+` IS_TEMPLATE true`); err != nil {
				return err
			}
		}
		for _, oid := range []uint32{j.NewOID, j.OldOID} {
			if err := drop.EndSessions(ctx, c, oid); err != nil {
				return err
			}
		}
		err := pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
			if newName == j.Target {
				if _, err := tx.Exec(ctx, `ALTER DATABASE `+quote.Ident(j.Target)+` RENAME TO `+quote.Ident(j.New)); err != nil {
					return err
				}
			}
			if oldName == j.Old {
				_, err := tx.Exec(ctx, `ALTER DATABASE `+quote.Ident(j.Old)+` RENAME TO `+quote.Ident(j.Target))
				return err
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("give database %q its name back: %w", j.Target, err)
		}
	}
	// Where the new database is gone, its files were moved back before: what has
	// the live name by now is the old one's.
	if newName != "" {
		if err := j.moveFilesBack(); err != nil {
			return err
		}
	}
	if oldName == "" || !j.OldAllowed {
		return nil
	}
	// Where it is open, nothing is written: somebody's lock on its row may be what
	// ended the swap.
	old, err := server.Lookup(ctx, c, j.Target)
	if err == nil && !old.AllowC && !old.Invalid {
		if _, err := c.Exec(ctx, `ALTER DATABASE `+quote.Ident(j.Target)+` ALLOW_CONNECTIONS true`); err != nil {
			return fmt.Errorf("allow connections to database %q again: %w", j.Target, err)
		}
	}
	return err
}
