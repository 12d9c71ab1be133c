package apply

import (
	"context"
	"fmt"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/host/odoodb"
	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/journal"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/ui"
)

// DatabaseServer is the server as odoodb wants it.
func (r *Run) DatabaseServer() *server.Server {
	return &server.Server{
		PG: r.PG, Programs: r.PG, AppRole: r.Project.AppRole, AppPassword: r.Project.AppPassword,
		Admin: func(ctx context.Context, database string) (*cluster.Session, error) {
			return cluster.Admin(ctx, r.PG, r.hints(), database)
		},
		Files: r.filestores(), PostgresDataDir: r.Project.DataDir, StateDir: r.Dirs.State(),
		Waiting: func(what string) { r.Term.Warn("odpm %s", ui.CleanLines(what)) },
	}
}

// recover deals with work that a crash cut short, before anything else.
func (r *Run) recover(ctx context.Context) error {
	if journal.Interrupted(r.Dirs.State()) && !r.World.Status.Ready {
		if err := r.To(ctx, plan.Want{Goal: plan.Postgres, ReplaceCompose: r.Want.ReplaceCompose}); err != nil {
			return err
		}
	}
	if w := r.World.Server; w != nil && w.InRecovery {
		if journal.Interrupted(r.Dirs.State()) {
			r.Term.Warn("interrupted work on a database cannot be finished here: this PostgreSQL is a standby and takes no writes")
		}
		return nil
	}
	done, err := odoodb.Recover(ctx, r.DatabaseServer(), r.OdooService())
	for _, d := range done {
		switch {
		case d.Drop && d.Completed:
			line := "odpm: an interrupted drop of " + ui.Clean(d.Database) + " was completed: the database is gone"
			if d.Filestore != "" {
				line += ", and its file store " + r.Rel(d.Filestore)
				if r.filestores().Recorded(d.Database) {
					line += " (the empty directory is kept, because .env names it)"
				}
			}
			r.Term.Say("%s", line)
		case d.Drop:
			r.Term.Say("odpm: an interrupted drop of %s was undone; the database is as it was before", ui.Clean(d.Database))
		case d.Completed:
			r.Term.Say("odpm: an interrupted restore of %s was completed", ui.Clean(d.Database))
		default:
			r.Term.Say("odpm: an interrupted restore of %s was undone; the database is as it was before", ui.Clean(d.Database))
		}
		if d.Kept != "" {
			r.Term.Warn("the replaced database is still there: %s", ui.Clean(d.Kept))
		}
	}
	if backup.IsLeftBehind(err) {
		r.Term.Warn("the leftovers of an interrupted backup could not be removed; the next run tries again: %s", ui.Clean(err.Error()))
		return nil
	}
	if err != nil {
		return fmt.Errorf("interrupted work could not be cleaned up: %w", err)
	}
	return nil
}

// sweep takes away what killed runs and checkers have left half written, also
// where this run has nothing else to do.
func (r *Run) sweep() {
	files := []string{r.ComposePath()}
	if r.Project.OdooConfPath != "" {
		files = append(files, r.Project.OdooConfPath)
	}
	r.Dirs.Sweep(files...)
}

// filestores says where the project's file stores are.
func (r *Run) filestores() filestore.Layout { return r.Filestores(r.Readers.OdooHere(r.Project)) }
