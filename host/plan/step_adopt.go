package plan

import (
	"context"
	"fmt"
	"time"

	"github.com/odpm/odpm/host/cluster"
)

// adoptStep takes over a cluster: PostgreSQL alone is started, the role is
// ensured, and the baseline written once.
type adoptStep struct{}

func (adoptStep) ID() string { return "database.adopt" }
func (adoptStep) Description() string {
	return "Ensure the application role, record the first baseline"
}

func (adoptStep) Preview(ctx context.Context, s *Session) (Preview, error) {
	if !s.ensuresRole() {
		return noop("the cluster is known"), nil
	}
	if !s.mayChangeRoles() {
		return run("first run: the login is checked, the baseline written"), nil
	}
	reason := "first run: role " + s.Project.AppRole + " is ensured, the baseline written"
	if !s.adoption() {
		reason = "role " + s.Project.AppRole + " is ensured after an accepted change"
	}
	if s.SkipStart && !s.status.Ready {
		return skip(reason + "; --skip-start"), nil
	}
	p := run(reason)
	if s.status.Ready && s.facts != nil {
		// The server runs: what would be done can be read first.
		if sql, err := cluster.ShowSQL(ctx, s.PG, s.wanted(), s.shownHints()); err == nil {
			p.SQL = sql
		}
	}
	return p, nil
}

func (adoptStep) Apply(ctx context.Context, s *Session) error {
	if !s.ensuresRole() || s.SkipStart && !s.status.Ready {
		return nil
	}
	if err := s.startPostgres(ctx); err != nil {
		return err
	}
	if s.mayChangeRoles() {
		if _, err := s.ensureRole(ctx); err != nil {
			return err
		}
	} else if err := s.proveBeforehand(ctx); err != nil {
		return err
	}
	return s.writeBaseline(ctx)
}

// writeBaseline records the first baseline. Everything after it is the
// checker's to write.
func (s *Session) writeBaseline(ctx context.Context) error {
	if !s.adoption() {
		return nil
	}
	if err := s.observeServer(ctx); err != nil {
		return err
	}
	b := s.candidate()
	yes := true
	b.Cluster.AppRolePresent = &yes
	b.RecordedAt = time.Now().UTC().Truncate(time.Second)
	// The checker replaces it by rename; its directory is the container's.
	if err := s.Dirs.SaveSnapshot(&b); err != nil {
		return fmt.Errorf("the baseline cannot be written: %w", err)
	}
	s.Term.Step("adopted: PostgreSQL %d, baseline in %s", b.Cluster.PGMajor, s.Rel(s.snapshotPath()))
	return nil
}
