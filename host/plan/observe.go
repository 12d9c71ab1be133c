package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/state"
)

// observe fills in what is there today and compares it with the snapshot.
// Nothing is started; a running server is asked.
func (s *Session) observe(ctx context.Context) error {
	facts := datadir.Look(s.Project.DataDir, s.Project.PostgresMajor)
	if s.Project.External || s.Project.DataVolume != "" {
		facts = datadir.Facts{Path: s.Project.DataDir, UID: -1, GID: -1}
	}
	asked := s.PG != nil
	problem := ""
	if asked {
		var err error
		if s.own != nil {
			var seen datadir.Facts
			seen, err = s.own.Look(ctx)
			switch {
			case err == nil:
				facts = seen
			case ctx.Err() != nil:
				return ctx.Err()
			default:
				problem = err.Error()
			}
		}
		if s.status, err = s.PG.Status(ctx); err != nil {
			return err
		}
	}
	if s.Stack != nil && !s.Project.External {
		env, err := s.Stack.ImageEnv(ctx, cmp.Or(s.postgresImage, s.Project.PostgresImage))
		if err != nil && !errors.Is(err, engine.ErrNoImage) {
			return err
		}
		s.imagePGData = env["PGDATA"]
	}
	s.Observed = state.Observe(s.Project, facts)
	o := &s.Observed
	s.diskIdentifier = facts.SystemIdentifier
	o.EngineAsked, o.EngineError = asked, problem
	if asked {
		o.Running, o.Ready = &s.status.Running, &s.status.Ready
	}
	if err := s.observeServer(ctx); err != nil {
		return err
	}
	s.compare()
	return nil
}

// probeTime is for a login and a handful of short questions.
const probeTime = 2 * time.Minute

// observeServer asks the server that runs on the project's directory. One
// that still runs on the old directory would answer for the wrong cluster.
func (s *Session) observeServer(ctx context.Context) error {
	s.facts, s.notOurs = nil, nil
	if s.PG == nil || !s.status.Running || !s.status.Ready {
		return nil
	}
	if s.Snapshot != nil && !s.samePath(s.Snapshot.Compose.DataPathAbs) {
		return nil
	}
	asked, cancel := context.WithTimeoutCause(ctx, probeTime, fmt.Errorf("no answer within %s", probeTime))
	defer cancel()
	f, err := cluster.Probe(asked, s.PG, s.hints(), s.Project.AppRole)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if asked.Err() != nil {
			err = context.Cause(asked)
		}
		if !errors.Is(err, cluster.ErrNoAdmin) {
			s.Warnings = append(s.Warnings, fmt.Sprintf("the running server could not be asked: %v", err))
		}
	}
	if s.notOurs = s.otherCluster(ctx, f); s.notOurs != nil {
		return nil
	}
	s.facts = &f
	o := &s.Observed
	if f.AppRolePresent != nil {
		o.AppRolePresent = f.AppRolePresent
		o.Candidate.Cluster.AppRolePresent = f.AppRolePresent
	}
	if f.SystemIdentifier != "" {
		o.SystemIdentifier = f.SystemIdentifier
		o.Candidate.Cluster.SystemIdentifier = f.SystemIdentifier
	}
	if f.Major != 0 {
		o.Candidate.Cluster.PGMajor = f.Major
		o.Candidate.Cluster.DataDirNonempty = true
		if o.Data.State == datadir.Unknown {
			// A running server has told what the host may not read.
			o.Data.Major = f.Major
		}
	}
	return nil
}

// Answers is nil where the server answers; why says for what it must.
func (s *Session) Answers(why string) error {
	switch {
	case s.PG == nil && s.Observed.EngineError != "":
		return errors.New(s.Observed.EngineError)
	case s.PG == nil:
		return errors.New("no engine was asked; leave --plan-no-docker out")
	case s.status.Ready:
		return nil
	case s.Project.External:
		return fmt.Errorf("the external PostgreSQL cannot be reached: %s. Start it where it runs, or correct db_host and db_port in odoo.conf", why)
	}
	return fmt.Errorf("PostgreSQL does not run: %s. Start it: odpm", why)
}

func (s *Session) compare() {
	s.Drifts = drift.Compare(s.Observed, s.Snapshot, sameDir)
	s.drifted = s.drifted || len(drift.Changes(s.Drifts)) > 0
}

func (s *Session) samePath(other string) bool {
	mine := s.Observed.Candidate.Compose.DataPathAbs
	return mine == other || sameDir(mine, other)
}

// Rel shows a path of the project the way a person typed it.
func (s *Session) Rel(path string) string {
	if r, err := filepath.Rel(s.Project.Dir, path); err == nil && filepath.IsLocal(r) {
		return r
	}
	return path
}
