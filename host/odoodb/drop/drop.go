// Package drop removes databases with their file stores, and what odpm made for itself,
// or says who holds them.
package drop

import (
	"context"
	"errors"
	"fmt"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/fault"
	"github.com/odpm/odpm/host/odoodb/journal"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/quote"
)

// Report says what was dropped.
type Report struct {
	Database, Owner string
	// Sessions is how many connections were ended.
	Sessions int
	// Filestore is the directory that was removed, "" where there was none.
	// FilestoreKept: it was emptied, and is there for the next database of the name.
	Filestore     string
	FilestoreKept bool
}

// Database removes a database and then, only then, its file store.
func Database(ctx context.Context, s *server.Server, database string) (Report, error) {
	rep := Report{Database: database}
	if err := server.CheckTarget(database); err != nil {
		return rep, err
	}
	c, err := s.Administrator(ctx, server.Maintenance)
	if err != nil {
		return rep, err
	}
	defer engine.Close(c)
	info, err := server.Lookup(ctx, c, database)
	if err != nil {
		return rep, err
	}
	rep.Owner = info.Owner
	held, err := Holders(ctx, c, database)
	if err != nil {
		return rep, err
	}
	ours := server.IsLeftOver(database) // a template is what hides it from Odoo
	if info.Template && !ours {
		held = append(held, fmt.Sprintf("its template flag; to allow dropping it: ALTER DATABASE %s IS_TEMPLATE false;", quote.Ident(database)))
	}
	if len(held) > 0 {
		return rep, server.HeldBy(database, info.Owner, held)
	}
	// What would be in the way at the end is said before anything is gone.
	if err := removable(s, database); err != nil {
		return rep, err
	}
	j, err := begin(ctx, s, c, database, info)
	if err != nil {
		return rep, err
	}
	fault.At("drop begun")
	err = s.Unblocked(ctx, server.SessionOf(c.Conn), func(ctx context.Context) (err error) {
		rep.Sessions, err = dropDatabase(ctx, c, database, info)
		return err
	})
	if server.IsLocked(err) {
		err = fmt.Errorf("database %q was not dropped: %w", database, err)
	}
	if err != nil {
		done, uerr := undo(ctx, s, j)
		if uerr == nil && done.Completed {
			rep.Filestore = done.Filestore
			rep.FilestoreKept = rep.Filestore != "" && s.Files.Recorded(database)
			return rep, nil
		}
		return rep, errors.Join(err, uerr)
	}
	fault.At("drop done")
	if ours {
		if _, err := Loader(ctx, c, database); err != nil {
			return rep, err
		}
	}
	if rep.Filestore, err = removeFilestore(ctx, s, database); err != nil {
		return rep, err
	}
	rep.FilestoreKept = rep.Filestore != "" && s.Files.Recorded(database)
	fault.At("drop emptied")
	return rep, journal.Remove(j.Path)
}
