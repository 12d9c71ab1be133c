package plan

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engine/docker"
	"github.com/odpm/odpm/host/engine/native"
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
	for _, c := range s.oldOthers {
		names = append(names, c.Name)
	}
	return names
}

// oldNative is the engine of the last run's directory or port, if a server of
// ours still runs there.
func (s *Session) oldNative() engine.Writer {
	if s.EngineKind != nativeEngine || s.Snapshot == nil {
		return nil
	}
	was := s.Snapshot.Compose
	if s.samePath(was.DataPathAbs) && was.HostPort == s.Project.PostgresPort || strings.HasPrefix(was.DataPathAbs, "volume:") {
		return nil
	}
	old := native.New(s.nativeOptions(was.DataPathAbs, was.HostPort))
	// It reads postmaster.pid.
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
	services := []string{s.lastOdooService()}
	for _, c := range s.oldOthers {
		if !slices.Contains(services, c.Service) {
			services = append(services, c.Service)
		}
	}
	for _, service := range append(services, was.ServiceName) {
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
	if s.holders, err = s.own.Holders(ctx); err != nil {
		return err
	}
	s.status, err = s.PG.Status(ctx)
	return err
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

// stackNamed is the stack of another compose project name, for stopping what
// the last run started under it.
func (s *Session) stackNamed(name string) engine.StackWriter {
	o := s.dockerOptions()
	o.Project = name
	return docker.New(o)
}
