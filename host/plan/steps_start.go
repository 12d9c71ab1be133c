package plan

import (
	"context"
	"fmt"
	"strings"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engine/native"
	"github.com/odpm/odpm/shared/snapshot"
)

// stopOldStep stops the service of the last run where its name, its data
// directory or its port is another now: a renamed service would leave the old
// container running on the same data.
type stopOldStep struct{}

func (stopOldStep) ID() string          { return "postgres.stop_old" }
func (stopOldStep) Description() string { return "Stop PostgreSQL as it was called or placed before" }

func (stopOldStep) Preview(_ context.Context, s *Session) (Preview, error) {
	if s.Project.External {
		return skip("PostgreSQL is external"), nil
	}
	if names := s.oldRunning(); len(names) > 0 {
		p := run(strings.Join(names, ", ") + " runs as the last run left it")
		if s.SkipStart {
			return skip(p.Reason + "; --skip-start"), nil
		}
		return p, nil
	}
	return noop("nothing of the last run is left over"), nil
}

// oldRunning names what of the last run must stop.
func (s *Session) oldRunning() []string {
	var names []string
	if old := s.oldNative(); old != nil {
		return []string{"PostgreSQL on " + s.Snapshot.Compose.DataPathAbs + " (port " + fmt.Sprint(s.Snapshot.Compose.HostPort) + ")"}
	}
	for _, h := range s.holders {
		if !h.Own && s.oldService(h) {
			names = append(names, h.Name)
		}
	}
	if s.Stack != nil && s.Snapshot != nil && s.status.Running && !s.samePath(s.Snapshot.Compose.DataPathAbs) {
		names = append(names, s.Project.ServiceName+" on "+s.Snapshot.Compose.DataPathAbs)
	}
	if s.oldOdoo != "" {
		names = append(names, s.oldOdoo)
	}
	return names
}

// oldNative is the engine of the last run's directory or port, if a server of
// ours still runs there.
func (s *Session) oldNative() engine.Postgres {
	if s.EngineKind != nativeEngine || s.Snapshot == nil {
		return nil
	}
	was := s.Snapshot.Compose
	if s.samePath(was.DataPathAbs) && was.HostPort == s.Project.PostgresPort || strings.HasPrefix(was.DataPathAbs, "volume:") {
		return nil
	}
	old := native.New(s.nativeOptions(was.DataPathAbs, was.HostPort))
	st, err := old.Status(context.Background())
	if err != nil || !st.Running {
		return nil
	}
	if addr, err := old.HostAddr(context.Background()); err != nil || !strings.HasSuffix(addr, fmt.Sprintf(":%d", was.HostPort)) {
		return nil
	}
	return old
}

func (stopOldStep) Apply(ctx context.Context, s *Session) error {
	if s.SkipStart || s.Project.External || len(s.oldRunning()) == 0 {
		return s.replaceVolume(ctx)
	}
	if old := s.oldNative(); old != nil {
		s.Term.Step("stopping %s", s.oldRunning()[0])
		if err := old.Stop(ctx); err != nil {
			return err
		}
		return s.lookAgain(ctx)
	}
	if s.Stack == nil {
		return nil
	}
	was := s.Snapshot.Compose
	oldStack := s.stackNamed(s.lastProject())
	for _, service := range []string{s.lastOdooService(), was.ServiceName} {
		s.Term.Step("stopping %s", service)
		if err := oldStack.StopService(ctx, service); err != nil {
			return fmt.Errorf("stop the last run's service %s: %w", service, err)
		}
	}
	if err := s.replaceVolume(ctx); err != nil {
		return err
	}
	return s.lookAgain(ctx)
}

// replaceVolume removes the volume object (never data) whose device is not
// the wanted directory: compose would go on with the old one.
func (s *Session) replaceVolume(ctx context.Context) error {
	if s.Stack == nil || s.SkipStart || s.Project.External || s.Project.DataVolume != "" || s.Project.KeepCompose {
		return nil
	}
	return s.Stack.RemoveVolume(ctx, s.Project.VolumeName, s.Project.DataDir)
}

// lookAgain refreshes what changed by stopping something.
func (s *Session) lookAgain(ctx context.Context) error {
	var err error
	if s.holders, err = s.PG.Holders(ctx); err != nil {
		return err
	}
	s.status, err = s.PG.Status(ctx)
	return err
}

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
	} else if err := s.ProveRole(ctx); err != nil {
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
	b.RecordedAt = now()
	if err := snapshot.Save(s.snapshotPath(), &b); err != nil {
		return fmt.Errorf("the baseline cannot be written: %w", err)
	}
	if s.Dirs.UID >= 0 {
		// The checker replaces it by rename; its directory is the container's.
		if err := chownTo(s.snapshotPath(), s.Dirs.UID, s.Dirs.GID); err != nil {
			return err
		}
	}
	s.Term.Step("adopted: PostgreSQL %d, baseline in %s", b.Cluster.PGMajor, s.Rel(s.snapshotPath()))
	return nil
}

// lastProject is the compose project of the last run.
func (s *Session) lastProject() string {
	if n := s.Snapshot.Compose.ProjectName; n != "" {
		return n
	}
	for _, h := range s.holders {
		if s.oldService(h) && h.Project != "" {
			return h.Project
		}
	}
	return s.Project.PlainName
}

func (s *Session) lastOdooService() string {
	if n := s.Snapshot.Compose.OdooServiceName; n != "" {
		return n
	}
	return "odoo"
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
		if stop := s.PG.Stop(context.WithoutCancel(ctx)); stop != nil {
			s.Term.Warn("PostgreSQL is left running: %v", stop)
		}
	}
	return err
}
