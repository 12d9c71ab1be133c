package plan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/interrupt"
)

// startTimeout is generous: crash recovery of a big cluster takes its time,
// and says so in the log.
const startTimeout = 15 * time.Minute

// startPostgres starts PostgreSQL alone, after looking once more who has the
// data directory, and compares again what only a running server can tell.
func (s *Session) startPostgres(ctx context.Context) error {
	if s.Project.External {
		if err := s.PG.Start(ctx); err != nil {
			return err
		}
		return s.lateDrift(ctx)
	}
	st, err := s.PG.Status(ctx)
	if err != nil {
		return err
	}
	holders, err := s.PG.Holders(ctx)
	if err != nil {
		return err
	}
	if err := s.foreignHolders(holders); err != nil {
		return err
	}
	if !st.Running || !st.Ready {
		if err := s.rememberEngine(); err != nil {
			return err
		}
		if s.EngineKind == dockerEngine && s.Project.DataVolume == "" && !s.Project.KeepCompose {
			// A volume of driver local cannot bind what does not exist.
			if err := os.MkdirAll(s.Project.DataDir, 0o755); err != nil {
				return err
			}
		}
		s.Term.Step("starting PostgreSQL %d (%s)", s.Project.PostgresMajor, s.EngineKind)
		sctx, cancel := context.WithTimeout(ctx, startTimeout)
		defer cancel()
		if err := s.PG.Start(sctx); err != nil {
			return fmt.Errorf("PostgreSQL did not start: %w", err)
		}
		s.started = true
		if err := s.onOwnData(ctx); err != nil {
			return err
		}
	}
	if s.status, err = s.PG.Status(ctx); err != nil {
		return err
	}
	return s.lateDrift(ctx)
}

// onOwnData proves that the server that was started has the data directory
// that the project names: a volume object left over from another path would
// go unnoticed otherwise, and the wrong cluster would be proven.
func (s *Session) onOwnData(ctx context.Context) error {
	holders, err := s.PG.Holders(ctx)
	if err != nil {
		return err
	}
	for _, h := range holders {
		if h.Own {
			return nil
		}
	}
	err = fmt.Errorf("PostgreSQL was started, but not on %s. Which directory the volume has: docker volume inspect %s_%s", s.DataName(), s.Project.Name, s.Project.VolumeName)
	return errors.Join(err, s.PG.Stop(ctx))
}

// lateDrift compares again once PostgreSQL alone was started: a missing role
// and another cluster's identity are only known then.
func (s *Session) lateDrift(ctx context.Context) error {
	before := len(drift.Open(s.Drifts, s.Accepted))
	if err := s.observeServer(ctx); err != nil {
		return err
	}
	s.compare()
	if len(drift.Open(s.Drifts, s.Accepted)) == before {
		return nil
	}
	err := s.Resolve()
	if err != nil && s.started {
		end, done := interrupt.Cleanup(ctx, time.Minute)
		defer done()
		if stop := s.PG.Stop(end); stop != nil {
			s.Term.Warn("PostgreSQL is left running: %v", stop)
		}
	}
	return err
}
