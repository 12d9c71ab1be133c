package plan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engine/docker"
	"github.com/odpm/odpm/shared/durable"
	"github.com/odpm/odpm/shared/pglogin"
)

// startTimeout is generous: crash recovery of a big cluster takes its time,
// and says so in the log.
const startTimeout = 15 * time.Minute

// now is the time that is recorded.
func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

func chownTo(path string, uid, gid int) error { return os.Lchown(path, uid, gid) }

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

// ensureRole makes the application role as the project wants it and proves
// the login with its password over TCP.
func (s *Session) ensureRole(ctx context.Context) (cluster.Report, error) {
	if !s.mayChangeRoles() {
		return cluster.Report{}, fmt.Errorf("the roles of an external PostgreSQL are changed only by an administrator whom you name: %s=postgresql://USER:PASSWORD@HOST in the environment", adminURLKey)
	}
	rep, err := cluster.EnsureAppRole(ctx, s.PG, s.wanted(), cluster.EnsureOptions{
		Hints:         s.hints(),
		MaySingleUser: !s.Project.External,
		BeforeChange:  s.keepRoles,
		Say:           func(line string) { s.Term.Step("%s", line) },
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
	return rep, s.ProveRole(ctx)
}

// ProveRole logs in the way the role will be used: over TCP, with its password.
func (s *Session) ProveRole(ctx context.Context) error {
	addr, err := s.PG.HostAddr(ctx)
	if err != nil || addr == "" {
		return err
	}
	err = cluster.Prove(ctx, addr, s.wanted(), "postgres")
	var refused *pglogin.Error
	if errors.As(err, &refused) && !refused.Transient() {
		return s.diagnosed(ctx, refused)
	}
	if err != nil {
		return fmt.Errorf("the login of %q at %s could not be proven: %w", s.Project.AppRole, addr, err)
	}
	return nil
}

// diagnosed adds to a refused login what the server says over its socket.
func (s *Session) diagnosed(ctx context.Context, refused *pglogin.Error) error {
	d, err := cluster.DiagnoseLogin(ctx, s.PG, s.hints(), s.Project.AppRole, s.Project.AppPassword, "postgres", refused)
	if err != nil || d.Message == "" {
		return refused
	}
	return &loginRefused{refused: refused, diagnosis: d}
}

type loginRefused struct {
	refused   *pglogin.Error
	diagnosis cluster.Diagnosis
}

func (l *loginRefused) Error() string {
	msg := l.refused.Error() + "\n" + l.diagnosis.Message
	for _, n := range l.diagnosis.Next {
		msg += "\n  " + n
	}
	return msg
}
func (l *loginRefused) Unwrap() error { return l.refused }

// keepRoles writes the roles as they are before the first change to them.
func (s *Session) keepRoles(_ context.Context, dump []byte) error {
	path := filepath.Join(s.Dirs.State(), "roles-"+time.Now().UTC().Format("20060102T150405Z")+".sql")
	if err := durable.WriteFile(path, dump, 0o600); err != nil {
		return fmt.Errorf("the roles could not be saved before changing them: %w", err)
	}
	s.Term.Step("roles saved in %s", s.Rel(path))
	return nil
}

// stackNamed is the stack of another compose project name, for stopping what
// the last run started under it.
func (s *Session) stackNamed(name string) engine.Stack {
	o := s.dockerOptions()
	o.Project = name
	return docker.New(o)
}
