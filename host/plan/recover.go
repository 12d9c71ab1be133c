package plan

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/host/odoodb"
	"github.com/odpm/odpm/host/ui"
)

// DatabaseServer is the server as odoodb wants it.
func (s *Session) DatabaseServer() *odoodb.Server {
	return &odoodb.Server{
		PG: s.PG, Programs: s.PG, AppRole: s.Project.AppRole, AppPassword: s.Project.AppPassword,
		Admin: func(ctx context.Context, database string) (*cluster.Session, error) {
			return cluster.Admin(ctx, s.PG, s.hints(), database)
		},
		Files: s.filestores(), PostgresDataDir: s.Project.DataDir, StateDir: s.Dirs.State(),
	}
}

// filestores says where the project's file stores are.
func (s *Session) filestores() filestore.Layout {
	p := s.Project
	return filestore.Layout{DataDir: p.OdooDataDir, Dir: p.FilestoreDir, Databases: p.FilestoreDirs,
		Linked: s.EngineKind == nativeEngine, EnvFile: filepath.Join(p.Dir, ".env")}
}

// recover deals with work that a crash cut short, before anything else.
func (s *Session) recover(ctx context.Context) error {
	if s.PG == nil {
		return nil
	}
	if odoodb.Interrupted(s.Dirs.State()) && !s.status.Ready {
		if err := s.startPostgres(ctx); err != nil {
			return err
		}
	}
	done, err := s.DatabaseServer().Recover(ctx, s.OdooService())
	for _, r := range done {
		switch {
		case r.Drop && r.Completed:
			s.Term.Say("odpm: an interrupted drop of %s was completed: the database is gone, and its filestore", ui.Clean(r.Database))
		case r.Drop:
			s.Term.Say("odpm: an interrupted drop of %s was undone; the database is as it was before", ui.Clean(r.Database))
		case r.Completed:
			s.Term.Say("odpm: an interrupted restore of %s was completed", ui.Clean(r.Database))
		default:
			s.Term.Say("odpm: an interrupted restore of %s was undone; the database is as it was before", ui.Clean(r.Database))
		}
		if r.Kept != "" {
			s.Term.Warn("the replaced database is still there: %s", ui.Clean(r.Kept))
		}
	}
	if odoodb.IsLeftBehind(err) {
		s.Term.Warn("what an interrupted backup left could not be removed, the next run tries again: %s", ui.Clean(err.Error()))
		return nil
	}
	if err != nil {
		return fmt.Errorf("interrupted work could not be put right: %w", err)
	}
	return nil
}
