package odoodb

import (
	"cmp"
	"context"
	"fmt"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/odoodb/journal"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/swap"
)

// Recover completes or reverts drops and restores that a crash cut short. A drop
// is completed where the database is gone. Restores are reverted
// unless the renames had happened, since from then on the restored database is
// proven and in place. It needs the lock that serialises odpm's runs on this
// cluster, or it would take the work of a running restore for a crash. It
// opens no connection where there is nothing to do. What killed backups left is
// removed as well, without a word: nobody misses it. Where that failed, and
// only that, the error is one of IsLeftBehind.
func Recover(ctx context.Context, s *server.Server, odoo swap.OdooService) ([]journal.Recovered, error) {
	journal.RemoveUnfinished(s.StateDir)
	left := backup.Recover(ctx, s)
	if left != nil && !backup.IsLeftBehind(left) {
		return nil, left
	}
	drops, err := drop.Journals(s.StateDir)
	if err != nil {
		return nil, err
	}
	all, err := swap.Journals(s.StateDir)
	if err != nil || len(all)+len(drops) == 0 {
		return nil, cmp.Or(err, left)
	}
	c, err := s.Administrator(ctx, server.Maintenance)
	if err != nil {
		return nil, err
	}
	defer engine.Close(c)
	var done []journal.Recovered
	for _, j := range drops {
		r, err := drop.Settle(ctx, s, c, j)
		if err != nil {
			return done, fmt.Errorf("after an interrupted drop of database %q (journal %s): %w", j.Database, j.Path, err)
		}
		done = append(done, r)
	}
	for _, j := range all {
		r, err := swap.Recover(ctx, s, c, j, odoo)
		if err != nil {
			return done, fmt.Errorf("after an interrupted restore of database %q (journal %s): %w", j.Target, j.Path, err)
		}
		done = append(done, r)
	}
	return done, left
}
