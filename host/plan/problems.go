package plan

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/shell"
)

// findProblems collects what a run would refuse, before anything is written.
// A plan shows all of them, a run ends with the first.
func (s *Session) findProblems(ctx context.Context) {
	s.dataProblems()
	s.composeProblem()
	if s.want.image.problem != nil && !s.Project.KeepCompose {
		s.Problems = append(s.Problems, s.want.image.problem)
	}
	if s.PG == nil {
		return
	}
	s.collationWarnings()
	accepts, held := s.composeAccepts(ctx), s.holderProblems(ctx)
	stack := s.stackProblems(ctx)
	found := []error{accepts, stack, held}
	if held == nil {
		found = append(found, s.noTCPProblem(ctx), s.notOurs)
	}
	if stack == nil {
		// A stack in the way has the ports too; one way on is enough.
		found = append(found, s.portProblems(ctx))
	}
	for _, err := range found {
		if err != nil {
			s.Problems = append(s.Problems, err)
		}
	}
}

// dataProblems: what is in the data directory and cannot be started.
func (s *Session) dataProblems() {
	f := s.Observed.Data
	if s.Project.External {
		return
	}
	// The container of a first run that was killed may still be at it.
	if f.State == datadir.Unfinished && !s.status.Running {
		s.Problems = append(s.Problems, &ui.Refusal{
			What: fmt.Sprintf("The PostgreSQL data directory %s holds no cluster: %s. PostgreSQL never ran on it. Nothing was written or started.", f.Path, f.Reason),
			Ways: s.unfinishedWays(f),
		})
	}
	if f.State == datadir.Other {
		s.Problems = append(s.Problems, &ui.Refusal{
			What: fmt.Sprintf("The PostgreSQL data directory %s holds something that is not a cluster: %s. Nothing was written or started.", f.Path, f.Reason),
			Ways: []string{"POSTGRES_DATA_DIR=/another/path in .env        another, or a new, directory", "or move what is in it elsewhere"},
		})
	}
	if f.State == datadir.Unknown && s.EngineKind == nativeEngine {
		s.Problems = append(s.Problems, &ui.Refusal{
			What: fmt.Sprintf("What is in the PostgreSQL data directory %s is unknown, %s; without Docker PostgreSQL runs as its owner. Nothing was written or started.", f.Path, f.Reason),
			Ways: []string{"sudo odpm        root starts PostgreSQL as the directory's owner",
				"or sudo chown -R \"$USER\" " + shell.Quote(f.Path) + "        where it is nobody else's"},
		})
	}
	// A kept file says itself where its image looks (PGDATA).
	if p := datadir.LayoutProblem(f, s.Project.PostgresMajor); p != nil && !s.Project.KeepCompose {
		s.Problems = append(s.Problems, &ui.Refusal{What: p.Message + ". Nothing was written or started.", Ways: p.Ways})
	}
}

// unfinishedWays: what an initdb left is moved aside, or, in a volume of
// Docker's own, removed with it.
func (s *Session) unfinishedWays(f datadir.Facts) []string {
	if dir := filepath.Join(f.Path, f.ClusterDir); filepath.IsAbs(dir) {
		return []string{"sudo mv " + shell.Quote(dir) + " " + shell.Quote(dir+".unfinished") + "        and the next run makes a new cluster"}
	}
	return []string{"docker volume rm -f " + shell.Quote(f.Path) + "        and the next run makes a new cluster; its stopped container goes first: docker rm NAME"}
}

// composeProblem: a compose file that is not ours is never overwritten.
func (s *Session) composeProblem() {
	if s.Project.KeepCompose {
		return
	}
	if _, err := compose.Check(s.composePath(), s.want.compose, compose.WriteOptions{Replace: s.ReplaceCompose}); err != nil {
		if errors.Is(err, compose.ErrForeign) {
			err = &ui.Refusal{What: err.Error(), Err: err}
		}
		s.Problems = append(s.Problems, err)
	}
}

func (s *Session) collationWarnings() {
	if s.facts == nil {
		return
	}
	for _, c := range s.facts.Collations {
		s.Warnings = append(s.Warnings, fmt.Sprintf("database %s was made with collation version %s, the server's C library has %s: its text indexes may be corrupt. As administrator, in that database: %s",
			c.Database, c.Recorded, c.Actual, strings.Join(c.Fix, "; ")))
	}
}

// holderProblems: anybody else who has the data directory. Across containers
// PostgreSQL has no interlock; a second server destroys the cluster.
func (s *Session) holderProblems(ctx context.Context) error {
	if s.own == nil {
		return nil
	}
	holders, err := s.own.Holders(ctx)
	if err != nil {
		return fmt.Errorf("who uses the data directory could not be found out: %w", err)
	}
	s.holders = holders
	return s.foreignHolders(holders)
}

func (s *Session) foreignHolders(holders []engine.Holder) error {
	r := &ui.Refusal{What: fmt.Sprintf("The data directory %s is in use by somebody else; a second server on it would destroy the cluster. Nothing was written or started.", s.DataName())}
	for _, h := range holders {
		if h.Own || s.oldService(h) {
			continue
		}
		line := h.Kind + " " + h.Name
		if h.Project != "" {
			line += fmt.Sprintf(" (compose project %s, service %s", h.Project, h.Service)
			if h.WorkingDir != "" {
				line += ", in " + h.WorkingDir
			}
			line += ")"
		}
		r.Details = append(r.Details, ui.Clean(line))
		r.Ways = append(r.Ways, ui.Clean(h.StopCommand))
	}
	if len(r.Details) == 0 {
		return nil
	}
	r.Ways = append(r.Ways, "or point POSTGRES_DATA_DIR at another directory")
	return r
}

// noTCPProblem: a server that somebody started by hand with the project's port
// may have its socket only, where no login can be proven and no Odoo connects.
func (s *Session) noTCPProblem(ctx context.Context) error {
	if s.EngineKind != nativeEngine || s.SkipStart || !s.status.Ready {
		return nil
	}
	if addr, err := s.PG.HostAddr(ctx); err != nil || addr != "" {
		return nil
	}
	r := &ui.Refusal{What: fmt.Sprintf("PostgreSQL runs on %s (%s) and listens on no TCP address (listen_addresses is empty), so Odoo cannot reach it. Nothing was written or started.", s.DataName(), s.status.ID)}
	for _, h := range s.holders {
		if h.Own {
			r.Ways = append(r.Ways, h.StopCommand+"        then run odpm again: it starts PostgreSQL with listen_addresses="+s.Project.PostgresBind)
		}
	}
	return r
}

// otherCluster: the server that runs has other data than the project's. What it
// answers is not compared, and nothing is done with it.
func (s *Session) otherCluster(ctx context.Context, f cluster.Facts) error {
	if s.Project.External {
		return nil
	}
	ok, where, err := s.own.Serves(ctx, f.DataDirectory)
	if err != nil {
		return err
	}
	disk := s.diskIdentifier
	if ok && (disk == "" || f.SystemIdentifier == "" || disk == f.SystemIdentifier) {
		return nil
	}
	r := &ui.Refusal{What: fmt.Sprintf("The PostgreSQL that runs as service %s has its data in %s, and not in this project's %s. Nothing was written or started.", s.Project.ServiceName, where, s.DataName())}
	if ok {
		r.What = fmt.Sprintf("The PostgreSQL that runs on %s is another cluster than the one that lies there: its system_identifier is %s, the data directory's is %s. Nothing was written or started.", where, f.SystemIdentifier, disk)
	}
	if s.Stack != nil {
		r.Ways = append(r.Ways, fmt.Sprintf("docker compose -p %s stop %s        then run odpm again: it starts PostgreSQL on %s", s.Project.Name, s.Project.ServiceName, s.DataName()),
			fmt.Sprintf("docker compose -p %s exec -T %s pg_dumpall -U postgres > all.sql        before that, if anything was written there", s.Project.Name, s.Project.ServiceName))
	}
	return r
}

// oldService tells whether a holder is this project's own service as it was
// called at the last run, which a step of the plan stops.
func (s *Session) oldService(h engine.Holder) bool {
	if h.Kind == "postmaster" {
		return s.EngineKind == nativeEngine && s.Snapshot != nil && s.samePath(s.Snapshot.Compose.DataPathAbs) &&
			s.Snapshot.Compose.HostPort != s.Project.PostgresPort
	}
	if h.WorkingDir != "" && !sameDir(h.WorkingDir, s.stackDir()) {
		return false
	}
	if s.Snapshot == nil || h.Service == "" {
		return false
	}
	was := s.Snapshot.Compose
	old := was.ProjectName
	if old == "" {
		// Without a prefix the snapshot does not name the project: the working
		// directory does.
		return h.Service == was.ServiceName && h.WorkingDir != ""
	}
	return h.Project == old && h.Service == was.ServiceName
}

func (s *Session) DataName() string {
	if s.Project.DataVolume != "" {
		return "volume " + s.Project.DataVolume
	}
	return s.Project.DataDir
}

// stackProblems: a stack of the same compose project name from elsewhere.
func (s *Session) stackProblems(ctx context.Context) error {
	if s.Stack == nil {
		return nil
	}
	all, err := s.Stack.Containers(ctx, s.Project.Name)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.WorkingDir == "" || sameDir(c.WorkingDir, s.stackDir()) {
			continue
		}
		if _, err := os.Stat(c.WorkingDir); errors.Is(err, fs.ErrNotExist) {
			// The project was moved or renamed: these are its own containers,
			// and their mounts still point to where it was.
			return &ui.Refusal{
				What: fmt.Sprintf("The containers of compose stack %q (%s) were made in %s, which is not there any more. If this project was moved from there, they are its own, with the old paths. Nothing was written or started.", s.Project.Name, ui.Clean(c.Name), ui.Clean(c.WorkingDir)),
				Ways: []string{
					fmt.Sprintf("docker compose -p %s down        remove them (data stays), then run odpm again", s.Project.Name),
					fmt.Sprintf("ODPM_COMPOSE_PREFIX=%s in .env        names of its own, if they are another project's", proposePrefix(s.Project.Dir)),
				},
			}
		}
		return &ui.Refusal{
			What: fmt.Sprintf("A compose stack called %q already exists and belongs to %s (container %s); compose would take it for this project's. Nothing was written or started.", s.Project.Name, ui.Clean(c.WorkingDir), ui.Clean(c.Name)),
			Ways: []string{
				fmt.Sprintf("ODPM_COMPOSE_PREFIX=%s in .env        names of its own for this project", proposePrefix(s.Project.Dir)),
				fmt.Sprintf("docker compose -p %s down        in %s, if that stack is not needed (data stays)", s.Project.Name, ui.Clean(c.WorkingDir)),
			},
		}
	}
	if c := s.containerOf(all, s.Project.OdooServiceName); c != nil {
		s.odoo = *c
	}
	return s.findOldOdoo(ctx, all)
}

// findOldOdoo finds the Odoo that still runs under the last run's names.
func (s *Session) findOldOdoo(ctx context.Context, all []engine.Container) error {
	if s.Snapshot == nil || s.Project.KeepCompose {
		return nil
	}
	name, service := s.lastProject(), s.lastOdooService()
	if name == s.Project.Name && service == s.Project.OdooServiceName {
		return nil
	}
	if name != s.Project.Name {
		var err error
		if all, err = s.Stack.Containers(ctx, name); err != nil {
			return err
		}
	}
	if c := s.containerOf(all, service); c != nil && (c.Running || c.Paused) && sameDir(c.WorkingDir, s.Project.Dir) {
		s.oldOdoo = c.Name
	}
	s.oldOthers = nil
	for _, c := range all {
		// Under another project name they are made anew, and find their ports taken.
		if name != s.Project.Name && c.Service != "" && !c.OneOff && c.Service != service && c.Service != s.Snapshot.Compose.ServiceName &&
			(c.Running || c.Paused) && sameDir(c.WorkingDir, s.Project.Dir) {
			s.oldOthers = append(s.oldOthers, c)
		}
	}
	return nil
}

func (s *Session) containerOf(all []engine.Container, service string) *engine.Container {
	i := slices.IndexFunc(all, func(c engine.Container) bool { return c.Service == service })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// proposePrefix makes a prefix of the last two directories' names.
func proposePrefix(dir string) string {
	name := filepath.Base(filepath.Dir(dir)) + "-" + filepath.Base(dir)
	var out []rune
	for _, r := range name {
		switch {
		case r >= 'A' && r <= 'Z':
			r += 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9' && len(out) > 0:
		default:
			r = '-'
		}
		if r == '-' && (len(out) == 0 || out[len(out)-1] == '-') {
			continue
		}
		out = append(out, r)
	}
	for len(out) > 0 && out[len(out)-1] == '-' {
		out = out[:len(out)-1]
	}
	if len(out) == 0 {
		return "acme"
	}
	return string(out)
}
