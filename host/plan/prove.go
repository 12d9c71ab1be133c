package plan

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/shared/handoff"
	"github.com/odpm/odpm/shared/pglogin"
	"github.com/odpm/odpm/shared/snapshot"
)

// mustProve tells whether a login has to be recorded: for another
// configuration, or for a cluster that is not the last run's.
func (s *Session) mustProve() bool {
	return s.drifted || s.Snapshot == nil || s.Snapshot.HandoffID != s.want.handoff.ID
}

// stillLogsIn: nothing has changed here, and somebody may have changed the
// role over there since its login was recorded. What only concerns the way
// from this machine to the server is a warning; a compose file of the person's
// own may have a password that odpm does not see.
func (s *Session) stillLogsIn(ctx context.Context) error {
	if s.Project.KeepCompose {
		return nil
	}
	err := s.ProveRole(ctx)
	reason, is := pglogin.ReasonOf(err)
	if !is || ofTheCluster(reason) {
		return err
	}
	s.unsure = true
	s.Term.Warn("%v", err)
	return nil
}

// ofTheCluster are refusals that meet Odoo as well, wherever it comes from.
func ofTheCluster(r pglogin.Reason) bool {
	switch r {
	case pglogin.WrongPassword, pglogin.RoleNoLogin, pglogin.DatabaseMissing, pglogin.NoConnectPrivilege, pglogin.NotAcceptingConnections:
		return true
	}
	return false
}

// provenNow tells whether last_run.json was recorded for this configuration
// since this run began.
func (s *Session) provenNow() bool {
	snap, err := snapshot.Load(s.snapshotPath())
	if err != nil || snap.HandoffID != s.want.handoff.ID {
		return false
	}
	info, err := os.Stat(s.snapshotPath())
	return err == nil && (s.before == nil || !os.SameFile(s.before, info))
}

// proveOnce runs the checker in a one-off container of the Odoo service: the
// same network, the same odoo.conf, the same environment.
func (s *Session) proveOnce(ctx context.Context) error {
	p := s.Project
	r := engine.RunOnce{Service: p.OdooServiceName, NoDeps: true, Entrypoint: s.want.image.inImage,
		Env: []string{handoff.EnvID + "=" + s.want.handoff.ID}}
	if r.Entrypoint == "" || p.KeepCompose {
		bin, err := FindChecker(p.Env, "linux")
		if err != nil {
			return err
		}
		r.Entrypoint = "/run/odpm/odpm-checker"
		r.Volumes = []string{bin + ":" + r.Entrypoint + ":ro", s.Dirs.Runtime() + ":" + handoff.RuntimeDir + ":ro", s.Dirs.Database() + ":" + handoff.DatabaseDir}
	}
	img, err := s.Stack.Image(ctx, s.odooImage(ctx))
	if err != nil {
		return err
	}
	argv := []string{"--check", "--require-baseline", "--"}
	entry := withoutChecker(img.Entrypoint)
	switch {
	case s.kept != nil:
		argv = append(argv, s.keptCommand(img.Entrypoint, img.Cmd)...)
	case len(entry) == 0:
		argv = append(append(argv, officialEntrypoint...), s.spec.OdooCommand()...)
	default:
		argv = append(append(argv, entry...), s.spec.OdooCommand()...)
	}
	r.Args = argv
	out := wording.Tail{Max: 16 << 10}
	r.Stdout, r.Stderr = &out, &out
	s.Term.Step("proving the login with a one-off checker")
	err = s.Stack.RunOnce(ctx, r)
	var exit *engine.ExitError
	if errors.As(err, &exit) {
		msg := fmt.Sprintf("the one-off checker ended with exit code %d (%s):\n%s", exit.Code, exitMeaning(exit.Code), ui.CleanLines(out.String()))
		if exit.Code == 77 || exit.Code == 69 {
			if perr := s.ProveRole(ctx); perr != nil {
				msg += "\n" + perr.Error()
			}
		}
		return errors.New(msg)
	}
	if err != nil {
		return err
	}
	if !s.provenNow() {
		return fmt.Errorf("the one-off checker logged in, but %s does not carry this configuration's id; is .odpm/database mounted at %s?", s.Rel(s.snapshotPath()), handoff.DatabaseDir)
	}
	return nil
}

// odooImage is the image of the running service, else the wanted one.
func (s *Session) odooImage(ctx context.Context) string {
	if c, err := s.Stack.Container(ctx, s.Project.OdooServiceName); err == nil && c.Image != "" {
		return c.Image
	}
	return s.want.image.ref
}

func withoutChecker(entrypoint []string) []string {
	for i, w := range entrypoint {
		if w == "--" {
			return entrypoint[i+1:]
		}
	}
	return entrypoint
}
