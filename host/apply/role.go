package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/login"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/shared/durable"
	"github.com/odpm/odpm/shared/pglogin"
)

// EnsureRole is `odpm database ensure-role`. It starts PostgreSQL alone where
// it does not run, and leaves it running. That the role is missing is what it
// was called for, and needs no further answer.
func EnsureRole(ctx context.Context, o Options) (cluster.Report, error) {
	o.Want = plan.Want{Goal: plan.Role, EnsureRole: true, ReplaceCompose: o.Want.ReplaceCompose}
	r, unlock, err := Begin(ctx, o)
	if err != nil {
		return cluster.Report{}, err
	}
	defer unlock()
	if err := r.recover(ctx); err != nil {
		return cluster.Report{}, err
	}
	err = r.To(ctx, o.Want)
	return r.role, err
}

// ensureRole makes the application role as the project wants it and proves the
// login with its password over TCP.
func (r *Run) ensureRole(ctx context.Context) (cluster.Report, error) {
	rep, err := cluster.EnsureAppRole(ctx, r.PG, r.Wanted(r.Stack != nil), cluster.EnsureOptions{
		Hints:        r.hints(),
		BeforeChange: r.keepRoles,
		Say:          func(line string) { r.Term.Step("%s", line) },
	})
	if err != nil {
		return rep, fmt.Errorf("the application role %q: %w", r.Project.AppRole, err)
	}
	for _, line := range rep.Done {
		r.Term.Step("%s", line)
	}
	for _, note := range rep.Notes {
		r.Term.Warn("%s", note)
	}
	r.done.RoleEnsured, r.role = true, rep
	return rep, r.proveBeforehand(ctx)
}

// proveBeforehand proves the login as soon as it can be, before Odoo is started.
// The files of TLS that Odoo's container has may not be on this machine: then
// the checker in front of Odoo is the first who can say.
func (r *Run) proveBeforehand(ctx context.Context) error {
	err := r.ProveRole(ctx)
	if reason, is := pglogin.ReasonOf(err); is && reason == pglogin.TLS && r.Stack != nil {
		r.Term.Warn("the login is not proven from this machine, only from Odoo's container: %v", err)
		return nil
	}
	return err
}

// ProveRole logs in the way the role will be used: over TCP, with its password.
func (r *Run) ProveRole(ctx context.Context) error {
	return login.Prove(ctx, r.PG, r.hints(), r.Wanted(r.Stack != nil))
}

// writeBaseline records the first baseline. Everything after it is the
// checker's to write.
func (r *Run) writeBaseline() error {
	b := r.Desired.Candidate(r.Inputs)
	yes := true
	b.Cluster.AppRolePresent = &yes
	b.RecordedAt = time.Now().UTC().Truncate(time.Second)
	// The checker replaces it by rename; its directory is the container's.
	if err := r.Dirs.SaveSnapshot(&b); err != nil {
		return fmt.Errorf("the baseline cannot be written: %w", err)
	}
	r.Term.Step("adopted: PostgreSQL %d, baseline in %s", b.Cluster.PGMajor, r.Rel(r.snapshotPath()))
	return nil
}

// keepRoles writes the roles as they are before the first change to them.
func (r *Run) keepRoles(_ context.Context, dump []byte) error {
	// A second one of the same second (another cluster, after an accepted
	// data_path) takes no earlier one's place.
	name := filepath.Join(r.Dirs.State(), "roles-"+time.Now().UTC().Format("20060102T150405Z"))
	path := name + ".sql"
	for n := 2; ; n++ {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return fmt.Errorf("the roles could not be saved before changing them: %w", err)
		}
		path = fmt.Sprintf("%s_%d.sql", name, n)
	}
	if err := durable.WriteFile(path, dump, 0o600); err != nil {
		return fmt.Errorf("the roles could not be saved before changing them: %w", err)
	}
	r.Term.Step("roles saved in %s", r.Rel(path))
	return nil
}
