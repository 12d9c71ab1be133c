package odoodb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/interrupt"
	"github.com/odpm/odpm/shared/shell"
)

// swapping is far more than renaming takes; a server that hangs must not keep
// a run for ever.
const swapping = 10 * time.Minute

// swap puts the new database and file store in the place of the old ones. On
// an error everything is back as it was, or the journal is still there and
// the error says so.
func (s *Server) swap(ctx context.Context, c *cluster.Session, j *journal, o RestoreOptions) error {
	// From here on half of the work is worse than all or nothing of it, so
	// cancelling is looked at before every step and then ends in reverting.
	work, done := interrupt.Cleanup(ctx, swapping)
	defer done()
	if err := j.to(stepSwapping); err != nil {
		return err
	}
	o.Progress.send(Event{Phase: PhaseSwap, Total: 1, Items: true})
	err := s.unblocked(work, sessionOf(c.Conn), func(work context.Context) error { return s.swapSteps(ctx, work, c, j, o) })
	if IsLocked(err) {
		err = fmt.Errorf("database %q was not replaced: %w", j.Target, err)
	}
	if err == nil {
		// What fails from here on is the next run's to complete, not to undo.
		if err := s.openAtLast(work, c, j); err != nil {
			return fmt.Errorf("database %q is restored and nobody is let into it yet; the next run of odpm does that: %w", j.Target, err)
		}
		err := j.to(stepSwapped)
		o.Progress.send(Event{Phase: PhaseSwap, Done: 1, Total: 1, Items: true, Finished: true})
		return err
	}
	if rerr := s.undo(ctx, c, j, o.Odoo); rerr != nil {
		return errors.Join(err, fmt.Errorf("undoing it failed as well; the next run of odpm tries again: %w", rerr))
	}
	return err
}

// undo reverts what a failed restore did, on a connection and in a time of its
// own: a cancellation closes the connection that it meets, and the server may
// still be at work for it. c is not used again.
func (s *Server) undo(ctx context.Context, c *cluster.Session, j *journal, odoo OdooService) error {
	ctx, done := interrupt.Cleanup(ctx, swapping)
	defer done()
	closeConn(c)
	c, err := s.admin(ctx, maintenance)
	if err != nil {
		return err
	}
	defer closeConn(c)
	if err := quiesce(ctx, c, j.New); err != nil {
		return err
	}
	if err := interlock(ctx, c, j.New); err != nil {
		return err
	}
	return s.revert(ctx, c, j, odoo)
}

func (s *Server) swapSteps(ctx, work context.Context, c *cluster.Session, j *journal, o RestoreOptions) error {
	if err := stopOdoo(ctx, j, o.Odoo); err != nil {
		return err
	}
	fault("odoo stopped")
	if err := ctx.Err(); err != nil {
		return err
	}
	if j.OldOID != 0 {
		old, err := lookup(ctx, c, j.Target)
		if err != nil {
			return err
		}
		if old.OID != j.OldOID {
			return fmt.Errorf("database %q was replaced by another one during the restore", j.Target)
		}
		if err := copySettings(work, c, old, j.New, s.AppRole); err != nil {
			return err
		}
		if _, err := c.Exec(work, `ALTER DATABASE `+ident(j.Target)+` ALLOW_CONNECTIONS false`); err != nil {
			return fmt.Errorf("keep connections out of database %q: %w", j.Target, err)
		}
	}
	fault("shut")
	if err := renameBoth(ctx, work, c, j); err != nil {
		return err
	}
	fault("renamed")
	if err := j.moveFiles(); err != nil {
		return err
	}
	fault("files moved")
	return nil
}

// renameBoth does both renames in one transaction: there is no moment without
// a database of that name. It lets nobody into the new one, whose files are
// still to come: Odoo would miss its attachments, and write new ones to a directory
// that is about to be thrown away.
func renameBoth(ctx, work context.Context, c *cluster.Session, j *journal) error {
	var err error
	for range 3 {
		if err = ctx.Err(); err != nil {
			return err
		}
		for _, oid := range []uint32{j.OldOID, j.NewOID} {
			if oid == 0 {
				continue
			}
			if err = endSessions(ctx, c, oid); err != nil {
				return err
			}
		}
		err = pgx.BeginFunc(work, c, func(tx pgx.Tx) error {
			if j.OldOID != 0 {
				if _, err := tx.Exec(work, `ALTER DATABASE `+ident(j.Target)+` RENAME TO `+ident(j.Old)); err != nil {
					return err
				}
			}
			if _, err := tx.Exec(work, `ALTER DATABASE `+ident(j.New)+` RENAME TO `+ident(j.Target)); err != nil {
				return err
			}
			_, err := tx.Exec(work, `ALTER DATABASE `+ident(j.Target)+` IS_TEMPLATE false ALLOW_CONNECTIONS false`)
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
	if held, herr := preparedHolders(work, c, j.Target); herr == nil && len(held) > 0 {
		return &heldError{j.Target, "", held}
	}
	return fmt.Errorf("swap database %q: %w", j.Target, err)
}

// open lets connections into the new database, whose files are in place by now.
func open(ctx context.Context, c *cluster.Session, j *journal) error {
	_, err := c.Exec(ctx, `ALTER DATABASE `+ident(j.Target)+` ALLOW_CONNECTIONS true`)
	if err == nil {
		fault("opened")
	}
	return err
}

// openAtLast tries a second connection: a database that is whole must not stay
// closed because the restore's own was lost.
func (s *Server) openAtLast(ctx context.Context, c *cluster.Session, j *journal) error {
	err := open(ctx, c, j)
	if err == nil {
		return nil
	}
	again, aerr := s.admin(ctx, maintenance)
	if aerr != nil {
		return errors.Join(err, aerr)
	}
	defer closeConn(again)
	return open(ctx, again, j)
}

// moveFiles gives the new file store its name. Every state in which a crash
// can leave the three names is one that it goes on from: the new one is there
// until it has been moved.
func (j *journal) moveFiles() error {
	fresh, err := j.has(j.New)
	if err != nil || !fresh {
		return err
	}
	live, err := j.has(j.live())
	if err != nil {
		return err
	}
	if live {
		former, err := j.has(j.Old)
		if err == nil && former {
			err = fmt.Errorf("file store %s exists already", j.at(j.Old))
		}
		if err != nil {
			return err
		}
		if err := j.home.Move(j.live(), j.Old); err != nil {
			return fmt.Errorf("move the old file store away: %w", err)
		}
		fault("files half")
	}
	if err := j.home.Install(j.New, j.live(), j.made); err != nil {
		return fmt.Errorf("put the new file store in place: %w", err)
	}
	return j.home.Sync()
}

// moveFilesBack undoes moveFiles, from every state again.
func (j *journal) moveFilesBack() error {
	if j.home == nil {
		return nil
	}
	fresh, err := j.has(j.New)
	if err != nil {
		return err
	}
	live, err := j.has(j.live())
	if err != nil {
		return err
	}
	if !fresh && live {
		if err := j.home.Move(j.live(), j.New); err != nil {
			return fmt.Errorf("take the new file store away again: %w", err)
		}
		live = false
	}
	former, err := j.has(j.Old)
	if err != nil {
		return err
	}
	if former && !live {
		if err := j.home.Move(j.Old, j.live()); err != nil {
			return fmt.Errorf("put the old file store back: %w", err)
		}
	}
	return j.home.Sync()
}

// byOID finds a database's present name, "" where it is gone.
func byOID(ctx context.Context, q querier, oid uint32) (string, error) {
	if oid == 0 {
		return "", nil
	}
	var name string
	err := q.QueryRow(ctx, `SELECT datname::pg_catalog.text FROM pg_catalog.pg_database WHERE oid OPERATOR(pg_catalog.=) $1::pg_catalog.oid`, oid).Scan(&name)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return name, err
}

// revert brings back what was there before the swap and removes the new
// database and file store. It is safe to run again after a crash.
func (s *Server) revert(ctx context.Context, c *cluster.Session, j *journal, odoo OdooService) error {
	wasSwapping := j.Step != stepLoading
	if wasSwapping {
		if err := j.to(stepReverting); err != nil {
			return err
		}
		fault("revert begun")
		if err := s.revertSwap(ctx, c, j); err != nil {
			return err
		}
		fault("revert renamed")
	}
	if err := dropHidden(ctx, c, j.New, j.NewOID); err != nil {
		return fmt.Errorf("drop the unfinished database %q: %w", j.New, err)
	}
	if _, err := dropLoader(ctx, c, j.New); err != nil {
		return fmt.Errorf("drop the role of the unfinished restore, %q: %w", j.New, err)
	}
	fault("revert dropped")
	if err := j.removeFiles(ctx, j.New); err != nil {
		return fmt.Errorf("remove the unfinished file store: %w", err)
	}
	fault("revert emptied")
	if err := restartOdoo(ctx, j, odoo); err != nil {
		return err
	}
	return j.remove()
}

func (s *Server) revertSwap(ctx context.Context, c *cluster.Session, j *journal) error {
	newName, err := byOID(ctx, c, j.NewOID)
	if err != nil {
		return err
	}
	oldName, err := byOID(ctx, c, j.OldOID)
	if err != nil {
		return err
	}
	if newName == j.Target || oldName == j.Old && oldName != "" {
		if newName != "" {
			if _, err := c.Exec(ctx, `ALTER DATABASE `+ident(newName)+` IS_TEMPLATE true`); err != nil {
				return err
			}
		}
		for _, oid := range []uint32{j.NewOID, j.OldOID} {
			if err := endSessions(ctx, c, oid); err != nil {
				return err
			}
		}
		err := pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
			if newName == j.Target {
				if _, err := tx.Exec(ctx, `ALTER DATABASE `+ident(j.Target)+` RENAME TO `+ident(j.New)); err != nil {
					return err
				}
			}
			if oldName == j.Old {
				_, err := tx.Exec(ctx, `ALTER DATABASE `+ident(j.Old)+` RENAME TO `+ident(j.Target))
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
	old, err := lookup(ctx, c, j.Target)
	if err == nil && !old.AllowC {
		if _, err := c.Exec(ctx, `ALTER DATABASE `+ident(j.Target)+` ALLOW_CONNECTIONS true`); err != nil {
			return fmt.Errorf("let connections into database %q again: %w", j.Target, err)
		}
	}
	return err
}

// finish drops what was replaced, or leaves it where nobody can log in, and
// ends the journal. held names what kept the old database from being dropped.
func (s *Server) finish(ctx context.Context, c *cluster.Session, j *journal) (held error, err error) {
	if !j.KeepOld {
		held = dropOld(ctx, c, j)
		fault("finish dropped")
		if held == nil && !j.KeepFiles {
			if err := j.removeFiles(ctx, j.Old); err != nil {
				return nil, fmt.Errorf("remove the old file store; do it with: sudo rm -rf %s: %w", shell.Quote(j.at(j.Old)), err)
			}
		}
	}
	fault("finish emptied")
	return held, j.remove()
}

// dropOld drops the replaced database, unless something has come to hold it.
func dropOld(ctx context.Context, c *cluster.Session, j *journal) error {
	name, err := byOID(ctx, c, j.OldOID)
	if err != nil || name == "" {
		return err
	}
	if name != j.Old {
		return fmt.Errorf("the replaced database is called %q by now", name)
	}
	held, err := dropHolders(ctx, c, name)
	if err != nil {
		return err
	}
	if len(held) > 0 {
		return &heldError{name, "", held}
	}
	return dropHidden(ctx, c, name, j.OldOID)
}

// fault is where tests stop or fail a restore; nothing outside of tests sets it.
var fault = func(string) {}
