package plan

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"

	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/compose/foreign"
	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/desired"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/world"
	"github.com/odpm/odpm/shared/handoff"
	"github.com/odpm/odpm/shared/shell"
)

type (
	container = world.Container
	holder    = world.Holder
)

const (
	adminURLKey = inputs.AdminURLKey
	envID       = handoff.EnvID
)

// untouched ends every refusal.
func (m *maker) untouched() string {
	if m.w.Run.Acted {
		return "Nothing more was done."
	}
	return cmp.Or(m.outcome, untouched)
}

const untouched = "Nothing was written or started."

func baselinePath(in *inputs.Inputs) string { return world.SnapshotPath(in.Dirs) }

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// refused notes what is in the way of a goal.
func (m *maker) refused(from Goal, err error) {
	if err != nil && m.Want.Goal >= from {
		m.Refusals = append(m.Refusals, Refusal{from, err})
	}
}

// refuse collects what a run would refuse before it has begun. A plan shows all
// of them, a run ends with the first.
func (m *maker) refuse() {
	m.conflicts()
	m.listens()
	if m.w.EngineErr != nil {
		m.refused(Files, m.w.EngineErr)
	}
	m.refused(Odoo, m.externalHere())
	m.refused(Odoo, m.idles())
	m.refused(Files, m.foreignHost())
	m.refused(Files, m.odooData())
	m.data()
	if m.d.Compose != nil || m.d.Image.Problem != nil {
		_, err := m.w.Files.Compose.Check(m.d.Compose, compose.WriteOptions{Replace: m.Want.ReplaceCompose, External: m.p.External})
		if errors.Is(err, compose.ErrForeign) {
			err = &ui.Refusal{Code: codes.ComposeForeign, What: err.Error(), Err: err}
		}
		m.refused(Files, err)
		m.refused(Files, m.theirs())
		if m.d.Image.Problem != nil {
			m.refused(Files, m.d.Image.Problem)
		}
	}
	m.refused(Odoo, m.commonPassword())
	if !m.w.Asked {
		return
	}
	stack := m.stack()
	m.refused(Files, stack)
	held := m.held()
	m.refused(Postgres, held)
	if held == nil && stack == nil {
		m.refused(Postgres, m.noTCP())
		m.refused(Postgres, m.elsewhere())
	}
	m.refused(Postgres, m.w.NoPrograms)
	if m.p.External && !m.w.Status.Ready {
		m.refused(Postgres, m.unreachable())
	}
	if stack == nil {
		// A stack in the way has the ports too; one way out is enough.
		m.refused(Postgres, m.ports())
	}
}

// idles: a kept file's service that starts no Odoo, as a development container's, has no
// login that could be proven.
func (m *maker) idles() error {
	if m.in.Kept == nil {
		return nil
	}
	s := m.in.Kept.Doc.Services[m.p.OdooServiceName]
	command, idle := foreign.Idles(s, desired.Front(m.w.OdooImage))
	if !idle {
		return nil
	}
	way := "command: odoo for that service"
	if len(s.Entrypoint) > 0 {
		way += ", without an entrypoint of its own"
	}
	return &ui.Refusal{Code: codes.SettingsConflict,
		What: fmt.Sprintf("Service %s of %s runs %s, which starts no Odoo, so with ODPM_COMPOSE=keep no login could be proven. %s", s.Name, m.in.Rel(m.in.Kept.Files[0]), ui.Clean(strings.Join(command, " ")), m.untouched()),
		Ways: []string{way + "        if Odoo is to run in it", "odpm database ensure-role        PostgreSQL and the role alone"}}
}

// unreachable: of libpq's db_host a port is no part, and a name of Docker's means
// nothing on this machine.
func (m *maker) unreachable() error {
	host, _ := m.in.ExternalAddress()
	if name, port, err := net.SplitHostPort(host); err == nil && !strings.Contains(host, ",") {
		return fmt.Errorf("%s: db_host is %q, but the port belongs in db_port; write db_host = %s and db_port = %s", m.in.Rel(m.p.OdooConfPath), host, name, port)
	}
	return fmt.Errorf("the external PostgreSQL at %s cannot be reached; start it where it runs, or correct db_host and db_port in odoo.conf", m.w.Status.ID)
}

// theirs: the compose file that would be replaced has data that odpm's own would
// not have. What else it has is a warning: the file is kept under a dated name.
func (m *maker) theirs() error {
	t := m.w.Theirs
	if t == nil || !m.Want.ReplaceCompose {
		return nil
	}
	file := m.in.Rel(t.File)
	if len(t.Lost) == 0 {
		if len(t.Missing) > 0 {
			m.Warnings = append(m.Warnings, fmt.Sprintf("%s has settings that odpm's own file cannot hold: %s. They belong in docker-compose.override.yml; odpm init --from-compose %s proposes it",
				file, strings.Join(t.Missing, ", "), file))
		}
		return nil
	}
	r := &ui.Refusal{Code: codes.TakeoverData, What: fmt.Sprintf("%s is not replaced: the new stack would not have the same data. %s", file, m.untouched())}
	for _, x := range t.Lost {
		r.Details = append(r.Details, ui.Clean(x.Message))
		if x.Way != "" && !slices.Contains(r.Ways, ui.Clean(x.Way)) {
			r.Ways = append(r.Ways, ui.Clean(x.Way))
		}
	}
	return r
}

// data: what is in the data directory and cannot be started.
func (m *maker) data() {
	f := m.w.Disk
	if m.p.External {
		return
	}
	// The container of a first run that was killed may still be at it.
	if f.State == datadir.Unfinished && !m.w.Status.Running {
		m.refused(Files, &ui.Refusal{
			Code: codes.DataUnfinished,
			What: fmt.Sprintf("The PostgreSQL data directory %s holds no cluster: %s. PostgreSQL never ran on it. %s", f.Path, f.Reason, m.untouched()),
			Ways: m.unfinishedWays(f),
		})
	}
	if f.State == datadir.Other {
		m.refused(Files, &ui.Refusal{
			Code: codes.DataNotACluster,
			What: fmt.Sprintf("The PostgreSQL data directory %s holds something other than a cluster: %s. %s", f.Path, f.Reason, m.untouched()),
			Ways: []string{"POSTGRES_DATA_DIR=/another/path in .env        another, or a new, directory", "or move what is in it elsewhere"},
		})
	}
	if f.State == datadir.Unknown && m.w.Kind == engines.Native {
		m.refused(Files, &ui.Refusal{
			Code: codes.DataUnreadable,
			What: fmt.Sprintf("What is in the PostgreSQL data directory %s is unknown, %s; without Docker PostgreSQL runs as its owner. %s", f.Path, f.Reason, m.untouched()),
			Ways: []string{"sudo odpm        root starts PostgreSQL as the directory's owner",
				"or sudo chown -R \"$USER\" " + shell.Quote(f.Path) + "        if nobody else uses it"},
		})
	}
	if name := m.p.DataVolume; name != "" && f.State == datadir.Missing && m.w.Kind == engines.Docker && !m.p.KeepCompose {
		// A misspelt name would otherwise be a new, empty cluster.
		m.refused(Postgres, &ui.Refusal{
			Code: codes.VolumeMissing,
			What: fmt.Sprintf("POSTGRES_DATA_DIR names a volume that Docker does not have: %s. %s", name, m.untouched()),
			Ways: []string{"docker volume ls        lists the volumes; then correct the name in .env",
				"docker volume create " + shell.Quote(name) + "        an empty one; the next run makes a new cluster in it"},
		})
	}
	// A kept file says itself where its image looks (PGDATA).
	if p := datadir.LayoutProblem(f, m.p.PostgresMajor, m.p.DataSubdir); p != nil && !m.p.KeepCompose {
		m.refused(Files, &ui.Refusal{Code: codes.DataLayout, What: p.Message + ". " + m.untouched(), Ways: p.Ways})
	}
}

// unfinishedWays: what an initdb left is moved aside, or, in a volume of
// Docker's own, removed with it.
func (m *maker) unfinishedWays(f datadir.Facts) []string {
	if dir := filepath.Join(f.Path, f.ClusterDir); filepath.IsAbs(dir) {
		return []string{"sudo mv " + shell.Quote(dir) + " " + shell.Quote(dir+".unfinished") + "        and the next run makes a new cluster"}
	}
	name := shell.Quote(f.Path)
	again := "docker volume rm -f " + name
	if !m.p.KeepCompose {
		again += " && docker volume create " + name // what is not there is refused
	}
	return []string{again + "        and the next run makes a new cluster; its stopped container NAME must be removed first: docker rm NAME"}
}

// stack: containers of the same compose project name from elsewhere.
func (m *maker) stack() error {
	return StackElsewhere(m.p, m.w.Containers, m.untouched())
}

// StackElsewhere refuses a compose project whose containers were made in another
// directory, nil where there are none. outcome says what was not done.
func StackElsewhere(p *project.Project, containers []world.Container, outcome string) error {
	for _, c := range containers {
		if c.Here {
			continue
		}
		prefix := fmt.Sprintf("ODPM_COMPOSE_PREFIX=%s in .env        names of its own", ProposePrefix(p.Dir))
		if c.Gone {
			// The project was moved or renamed: these are its own containers,
			// and their mounts still point to where it was.
			return &ui.Refusal{
				Code: codes.StackMoved,
				What: fmt.Sprintf("The containers of compose stack %q (%s) were made in %s, which no longer exists. If this project was moved from there, they are its own, with the old paths. %s", p.Name, ui.Clean(c.Name), ui.Clean(c.WorkingDir), outcome),
				Ways: []string{fmt.Sprintf("docker compose -p %s down        remove them (data stays), then run odpm again", p.Name), prefix + ", if they are another project's"},
			}
		}
		return &ui.Refusal{
			Code: codes.StackNameTaken,
			What: fmt.Sprintf("A compose stack called %q already exists and belongs to %s (container %s); compose would take it for this project's. %s", p.Name, ui.Clean(c.WorkingDir), ui.Clean(c.Name), outcome),
			Ways: []string{prefix + " for this project", fmt.Sprintf("docker compose -p %s down        in %s, if that stack is not needed (data stays)", p.Name, ui.Clean(c.WorkingDir))},
		}
	}
	return nil
}

// held: anybody else who has the data directory. Across containers PostgreSQL
// has no interlock; a second server destroys the cluster.
func (m *maker) held() error {
	if m.w.HoldersErr != nil {
		return fmt.Errorf("could not find out who uses the data directory: %w", m.w.HoldersErr)
	}
	var foreign []engine.Holder
	for _, h := range m.w.Holders {
		if !h.Own && !m.w.OldService(h, m.p) {
			foreign = append(foreign, h.Holder)
		}
	}
	return HeldBy(m.in, foreign)
}

// HeldBy is the refusal of a data directory that others have, nil for none.
func HeldBy(in *inputs.Inputs, foreign []engine.Holder) error {
	if len(foreign) == 0 {
		return nil
	}
	r := &ui.Refusal{Code: codes.DataInUse, What: fmt.Sprintf("The data directory %s is already in use; a second server on it would destroy the cluster. %s", in.DataName(), untouched)}
	for _, h := range foreign {
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
	r.Ways = append(r.Ways, "or point POSTGRES_DATA_DIR at another directory")
	return r
}

// noTCP: a server that somebody started by hand with the project's port may
// have its socket only, where no login can be proven and no Odoo connects.
func (m *maker) noTCP() error {
	if m.w.Kind != engines.Native || !m.w.Status.Ready || m.w.Addr != "" {
		return nil
	}
	r := &ui.Refusal{Code: codes.ServerNoTCP, What: fmt.Sprintf("PostgreSQL runs on %s (%s) and listens on no TCP address (listen_addresses is empty), so Odoo cannot reach it. %s", m.in.DataName(), m.w.Status.ID, m.untouched())}
	for _, h := range m.w.Holders {
		if h.Own {
			r.Ways = append(r.Ways, h.StopCommand+"        then run odpm again: it starts PostgreSQL with listen_addresses="+m.p.PostgresBind)
		}
	}
	return r
}

// elsewhere: the server that runs has other data than the project's.
func (m *maker) elsewhere() error {
	e := m.w.Elsewhere
	if e == nil {
		return nil
	}
	if e.Err != nil {
		return fmt.Errorf("could not find out where the running PostgreSQL keeps its data: %w", e.Err)
	}
	r := &ui.Refusal{Code: codes.ServerElsewhere, What: fmt.Sprintf("The PostgreSQL that runs as service %s has its data in %s, not in this project's %s. %s", m.p.ServiceName, e.Where, m.in.DataName(), m.untouched())}
	if e.Disk != "" {
		r.What = fmt.Sprintf("The PostgreSQL that runs on %s serves a different cluster: its system_identifier is %s, the data directory's is %s. %s", e.Where, e.Server, e.Disk, m.untouched())
	}
	if m.w.Stack {
		r.Ways = append(r.Ways, fmt.Sprintf("docker compose -p %s stop %s        then run odpm again: it starts PostgreSQL on %s", m.p.Name, m.p.ServiceName, m.in.DataName()),
			fmt.Sprintf("docker compose -p %s exec -T %s pg_dumpall -U postgres > all.sql        before that, if anything was written there", m.p.Name, m.p.ServiceName))
	}
	return r
}

// ProposePrefix makes a prefix of the last two directories' names.
func ProposePrefix(dir string) string {
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
