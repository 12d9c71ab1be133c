package plan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/odpm/odpm/host/cluster"
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
		if st, err := s.PG.Status(ctx); err != nil {
			return err
		} else if !st.Ready {
			return fmt.Errorf("the external PostgreSQL at %s cannot be reached; start it where it runs, or correct db_host and db_port in odoo.conf", st.ID)
		}
		return s.lateDrift(ctx)
	}
	st, err := s.PG.Status(ctx)
	if err != nil {
		return err
	}
	holders, err := s.own.Holders(ctx)
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
		if err := s.own.Start(sctx); err != nil {
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

// onOwnData proves that the server that was started is the one that was
// planned: its data directory lies in the project's data, and its
// system_identifier is the one that is read there. A volume object left over
// from another path, or an image that keeps its data elsewhere, would go
// unnoticed otherwise, and the wrong cluster would be adopted.
func (s *Session) onOwnData(ctx context.Context) error {
	err := s.servesPlanned(ctx)
	if err == nil {
		return nil
	}
	end, done := interrupt.Cleanup(ctx, time.Minute)
	defer done()
	if stop := s.own.Stop(end); stop != nil {
		return errors.Join(err, fmt.Errorf("it could not be stopped: %w", stop))
	}
	s.started = false
	return fmt.Errorf("%w. It is stopped again, and nothing was recorded", err)
}

func (s *Session) servesPlanned(ctx context.Context) error {
	server, err := cluster.Probe(ctx, s.PG, s.hints(), s.Project.AppRole)
	if err != nil && (ctx.Err() != nil || !errors.Is(err, cluster.ErrNoAdmin)) {
		return fmt.Errorf("PostgreSQL was started, and whose data it has could not be asked: %w", err)
	}
	ok, where, err := s.own.Serves(ctx, server.DataDirectory)
	if err != nil {
		return fmt.Errorf("PostgreSQL was started, and where its data lie could not be found out: %w", err)
	}
	if !ok {
		return s.elsewhere(where)
	}
	planned := s.Observed.Data.SystemIdentifier
	if planned == "" {
		// It could not be read before, or there was no cluster yet.
		now, err := s.own.Look(ctx)
		if err != nil {
			return err
		}
		planned = now.SystemIdentifier
	}
	if planned != "" && server.SystemIdentifier != "" && planned != server.SystemIdentifier {
		return fmt.Errorf("PostgreSQL was started on %s, but it is another cluster than the one there: its system_identifier is %s, the data directory's is %s", where, server.SystemIdentifier, planned)
	}
	return nil
}

// elsewhere: the server's data are not the project's.
func (s *Session) elsewhere(where string) error {
	msg := fmt.Sprintf("PostgreSQL was started on %s, and not on this project's data (%s)", where, s.DataName())
	switch {
	case s.Stack == nil:
		return errors.New(msg)
	case s.Project.KeepCompose:
		return fmt.Errorf("%s: the image keeps its data in another place than the compose file mounts. Its place: docker image inspect -f '{{.Config.Env}}' %s", msg, s.Project.PostgresImage)
	}
	return fmt.Errorf("%s: image %s does not keep its data where PGDATA says. Which directory the volume has: docker volume inspect %s_%s", msg, s.Project.PostgresImage, s.Project.Name, s.Project.VolumeName)
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
		if stop := s.own.Stop(end); stop != nil {
			s.Term.Warn("PostgreSQL is left running: %v", stop)
		}
	}
	return err
}
