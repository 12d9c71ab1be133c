package plan

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/shared/durable"
	"github.com/odpm/odpm/shared/pglogin"
)

// EnsureRole is `odpm database ensure-role`. It starts PostgreSQL alone where
// it does not run, and leaves it running. That the role is missing is what it
// was called for, and needs no further answer.
func EnsureRole(ctx context.Context, o Options) (cluster.Report, error) {
	o.Accepted = maps.Clone(o.Accepted)
	if o.Accepted == nil {
		o.Accepted = drift.Accepted{}
	}
	o.Accepted[drift.AppRoleMissing] = true
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

// ensureRole makes the application role as the project wants it and proves
// the login with its password over TCP.
func (s *Session) ensureRole(ctx context.Context) (cluster.Report, error) {
	if !s.mayChangeRoles() {
		return cluster.Report{}, fmt.Errorf("the roles of an external PostgreSQL are changed only by an administrator whom you name: %s=postgresql://USER:PASSWORD@HOST in the environment", adminURLKey)
	}
	rep, err := cluster.EnsureAppRole(ctx, s.PG, s.wanted(), cluster.EnsureOptions{
		Hints:        s.hints(),
		BeforeChange: s.keepRoles,
		Say:          func(line string) { s.Term.Step("%s", line) },
	})
	if err != nil {
		return rep, fmt.Errorf("the application role %q: %w", s.Project.AppRole, err)
	}
	for _, line := range rep.Done {
		s.Term.Step("%s", line)
	}
	for _, note := range rep.Notes {
		s.Term.Warn("%s", note)
	}
	if s.status, err = s.PG.Status(ctx); err != nil {
		return rep, err
	}
	return rep, s.proveBeforehand(ctx)
}

// proveBeforehand proves the login as soon as it can be, before Odoo is started.
// The files of TLS that Odoo's container has may not be on this machine: then
// the checker in front of Odoo is the first who can say.
func (s *Session) proveBeforehand(ctx context.Context) error {
	err := s.ProveRole(ctx)
	if reason, is := pglogin.ReasonOf(err); is && reason == pglogin.TLS && s.Stack != nil {
		s.Term.Warn("the login is not proven from this machine, only from Odoo's container: %v", err)
		return nil
	}
	return err
}

// ProveRole logs in the way the role will be used: over TCP, with its password.
func (s *Session) ProveRole(ctx context.Context) error {
	addr, err := s.PG.HostAddr(ctx)
	if err != nil || addr == "" {
		return err
	}
	err = cluster.Prove(ctx, addr, s.wanted(), "postgres")
	var refused *pglogin.Error
	if errors.As(err, &refused) {
		l := s.diagnosed(ctx, refused)
		if !refused.Transient() || l.Cause != cluster.CauseUnknown && l.Cause != cluster.CauseUnreachable {
			return l
		}
		err = l
	}
	if err != nil {
		return fmt.Errorf("the login of %q at %s could not be proven: %w", s.Project.AppRole, addr, err)
	}
	return nil
}

// diagnosed adds to a refused login what the server says over its socket.
func (s *Session) diagnosed(ctx context.Context, refused *pglogin.Error) *LoginRefused {
	d, err := cluster.DiagnoseLogin(ctx, s.PG, s.hints(), s.Project.AppRole, s.Project.AppPassword, "postgres", refused)
	if err != nil {
		d = cluster.Diagnosis{Cause: cluster.CauseUnknown}
	}
	return &LoginRefused{Diagnosis: d, refused: refused}
}

// LoginRefused is a login that failed, as the client and as the server see it.
type LoginRefused struct {
	cluster.Diagnosis
	refused *pglogin.Error
}

func (l *LoginRefused) Error() string {
	msg := l.refused.Error()
	if l.Message != "" && l.Message != msg {
		msg += "\n" + l.Message
	}
	for _, n := range l.Next {
		msg += "\n  " + n
	}
	return msg
}
func (l *LoginRefused) Unwrap() error { return l.refused }

// keepRoles writes the roles as they are before the first change to them.
func (s *Session) keepRoles(_ context.Context, dump []byte) error {
	// A second one of the same second (another cluster, after an accepted
	// data_path) takes no earlier one's place.
	name := filepath.Join(s.Dirs.State(), "roles-"+time.Now().UTC().Format("20060102T150405Z"))
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
	s.Term.Step("roles saved in %s", s.Rel(path))
	return nil
}
