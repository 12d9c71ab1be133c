package plan

import (
	"context"

	"github.com/odpm/odpm/host/cluster"
)

// EnsureRole is `odpm database ensure-role`. It starts PostgreSQL alone where
// it does not run, and leaves it running.
func EnsureRole(ctx context.Context, o Options) (cluster.Report, error) {
	s, unlock, err := Begin(ctx, o)
	if err != nil {
		return cluster.Report{}, err
	}
	defer unlock()
	for _, step := range Steps() {
		switch step.(type) {
		case adoptStep, upStep:
			continue
		}
		if err := step.Apply(ctx, s); err != nil {
			return cluster.Report{}, err
		}
	}
	if err := s.startPostgres(ctx); err != nil {
		return cluster.Report{}, err
	}
	return s.ensureRole(ctx)
}

// RoleSQL is `odpm database ensure-role --show-sql`: what would run, secrets
// masked. Nothing is started or changed.
func RoleSQL(ctx context.Context, o Options) ([]string, error) {
	s, err := Load(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := s.Answers("what the cluster lacks can only be read from it"); err != nil {
		return nil, err
	}
	return cluster.ShowSQL(ctx, s.PG, s.wanted(), s.shownHints())
}
