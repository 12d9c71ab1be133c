package odoodb

import (
	"cmp"
	"context"
	"fmt"

	"github.com/odpm/odpm/host/cluster"
)

// Recovered is an interrupted restore or drop that the next run has dealt with.
type Recovered struct {
	Database string
	// Drop: it was a drop; Completed then says that the database is gone, and
	// Filestore is the directory that was removed, "" where there was none.
	Drop      bool
	Filestore string
	// Completed: the restored database is in place. Otherwise everything is as
	// it was before the restore.
	Completed bool
	// Kept is the name that the replaced database still has, with why it was
	// not dropped; empty if it was, or if it was to be kept.
	Kept string
	// OdooStarted: the interrupted run had stopped Odoo.
	OdooStarted bool
}

// Recover completes or reverts drops and restores that a crash cut short. A drop
// is completed where the database is gone. Restores are reverted
// unless the renames had happened, since from then on the restored database is
// proven and in place. It needs the lock that serialises odpm's runs on this
// cluster, or it would take the work of a running restore for a crash. It
// opens no connection where there is nothing to do. What killed backups left is
// removed as well, without a word: nobody misses it. Where that failed, and
// only that, the error is one of IsLeftBehind.
func (s *Server) Recover(ctx context.Context, odoo OdooService) ([]Recovered, error) {
	removeUnfinished(s.StateDir)
	left := s.recoverBackups(ctx)
	if left != nil && !IsLeftBehind(left) {
		return nil, left
	}
	drops, err := dropJournals(s.StateDir)
	if err != nil {
		return nil, err
	}
	all, err := journals(s.StateDir)
	if err != nil || len(all)+len(drops) == 0 {
		return nil, cmp.Or(err, left)
	}
	c, err := s.admin(ctx, maintenance)
	if err != nil {
		return nil, err
	}
	defer closeConn(c)
	var done []Recovered
	for _, j := range drops {
		r, err := s.settleDrop(ctx, c, j)
		if err != nil {
			return done, fmt.Errorf("after an interrupted drop of database %q (journal %s): %w", j.Database, j.path, err)
		}
		done = append(done, r)
	}
	for _, j := range all {
		r, err := s.recoverOne(ctx, c, j, odoo)
		if err != nil {
			return done, fmt.Errorf("after an interrupted restore of database %q (journal %s): %w", j.Target, j.path, err)
		}
		done = append(done, r)
	}
	return done, left
}

// recoverOne may be killed as well as what it recovers from, and its
// statements outlive it: it holds the restore's lock while it works.
func (s *Server) recoverOne(ctx context.Context, c *cluster.Session, j *journal, odoo OdooService) (Recovered, error) {
	r := Recovered{Database: j.Target, OdooStarted: j.OdooStopped && odoo != nil}
	if err := quiesce(ctx, c, j.New); err != nil {
		return r, err
	}
	if err := interlock(ctx, c, j.New); err != nil {
		return r, err
	}
	if err := j.openFiles(s.Files); err != nil {
		return r, err
	}
	defer j.close()
	fault("recovering")
	name, err := byOID(ctx, c, j.NewOID)
	if err != nil {
		return r, err
	}
	r.Completed = j.Step == stepSwapped || j.Step == stepSwapping && name == j.Target
	if r.Completed {
		r.Kept, err = s.complete(ctx, c, j, odoo)
	} else {
		err = s.revert(ctx, c, j, odoo)
	}
	return r, err
}

func (s *Server) complete(ctx context.Context, c *cluster.Session, j *journal, odoo OdooService) (kept string, err error) {
	if j.Step == stepSwapping {
		if err := j.moveFiles(); err != nil {
			return "", err
		}
		fault("complete moved")
		if err := open(ctx, c, j); err != nil {
			return "", fmt.Errorf("let connections into database %q: %w", j.Target, err)
		}
		if err := j.to(stepSwapped); err != nil {
			return "", err
		}
	}
	if err := restartOdoo(ctx, j, odoo); err != nil {
		return "", err
	}
	held, err := s.finish(ctx, c, j)
	if held != nil {
		return fmt.Sprintf("%s (%v)", j.Old, held), err
	}
	return "", err
}
