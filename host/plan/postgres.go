package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/engines"
)

// stopOld stops the service of the last run where its name, its data directory
// or its port is another now: a renamed service would leave the old container
// running on the same data. The volume object that points to the old directory
// goes too, never the data: compose would keep using the old one.
func (m *maker) stopOld() {
	const what = "Stop PostgreSQL as it was called or placed before"
	if m.p.External {
		m.told(StepStopOld, what, Skip, "PostgreSQL is external")
		return
	}
	if m.filesStay() {
		m.told(StepStopOld, what, Skip, "only the role was asked for")
		return
	}
	var names []string
	var actions []Action
	stop := func(project, service, container, why string) {
		names = append(names, container)
		for _, a := range actions {
			if a.Op == StopService && a.Project == project && a.Resource == service {
				return
			}
		}
		actions = append(actions, Action{Op: StopService, Resource: service, Project: project, Why: why})
	}
	if old := m.w.OldServer; old != nil {
		name := fmt.Sprintf("PostgreSQL on %s (port %d)", old.DataDir, old.Port)
		names = append(names, name)
		actions = append(actions, Action{Op: StopServer, Resource: old.DataDir, Port: old.Port, Why: "it is running as the last run left it"})
	}
	if m.w.Stack {
		const asLast = "it is running as the last run left it"
		last := m.w.LastProject(m.p)
		for _, c := range m.w.Leftovers(m.p) {
			stop(last, c.Service, c.Name, asLast)
		}
		for _, h := range m.w.Holders {
			if !h.Own && m.w.OldService(h, m.p) {
				stop(last, m.w.Snapshot.Compose.ServiceName, h.Name, asLast)
			}
		}
		if m.w.OnOldData {
			stop(last, m.w.Snapshot.Compose.ServiceName, m.p.ServiceName+" on "+m.w.Snapshot.Compose.DataPathAbs, asLast)
		}
	}
	reason := strings.Join(names, ", ") + " is running as the last run left it"
	if more := m.volume(actions); len(more) > 0 {
		if len(names) == 0 {
			reason = more[len(more)-1].Why
		}
		actions = append(actions, more...)
	}
	switch {
	case len(actions) == 0:
		m.told(StepStopOld, what, Noop, "nothing of the last run is left over")
	case !m.starting():
		m.told(StepStopOld, what, Skip, reason+"; --skip-start")
	default:
		// Ports, holders and the volume's users are others afterwards.
		for i := range actions {
			actions[i].Reveals = actions[i].Op != RemoveVolume && (i+1 == len(actions) || actions[i+1].Op == RemoveVolume)
		}
		m.step(StepStopOld, what, reason, actions...)
	}
}

// volume is what has to be done for a volume object that binds another
// directory than the project's. stops are planned already.
func (m *maker) volume(stops []Action) []Action {
	v := m.w.Volume
	if v.Name == "" || v.Device == "" || v.Right {
		return nil
	}
	var actions []Action
	var others []string
	for _, user := range v.Users {
		i := slices.IndexFunc(m.w.Containers, func(c container) bool { return c.Name == user })
		switch {
		case slices.ContainsFunc(m.w.Holders, func(h holder) bool { return h.Name == user && m.w.OldService(h, m.p) }):
		case i >= 0 && m.w.Containers[i].Here && m.w.Containers[i].Service == m.p.ServiceName:
			if !slices.ContainsFunc(stops, func(a Action) bool {
				return a.Op == StopService && a.Project == m.p.Name && a.Resource == m.p.ServiceName
			}) {
				actions = append(actions, Action{Op: StopService, Resource: m.p.ServiceName, Project: m.p.Name, Why: fmt.Sprintf("its container %s was made for %s", user, v.Device)})
			}
		default:
			others = append(others, user)
		}
	}
	if len(others) > 0 && m.stack() != nil {
		return actions // that refusal is enough; the other's container is not to be removed
	}
	if len(others) > 0 {
		m.refused(Postgres, fmt.Errorf("the volume %s still points to %s, and %s uses it. Remove the container (its data is kept): docker rm -f %s",
			v.Name, v.Device, strings.Join(others, ", "), strings.Join(others, " ")))
		return actions
	}
	return append(actions, Action{Op: RemoveVolume, Resource: v.Name,
		Why: fmt.Sprintf("the volume object points to %s, but the data is in %s; the directory is kept", v.Device, m.p.DataDir)})
}

// adopt takes over a cluster: PostgreSQL alone is started, the role is ensured,
// and the baseline written once.
func (m *maker) adopt() {
	const what = "Ensure the application role, record the first baseline"
	if !m.ensures() && !m.adoption() {
		m.told(StepAdopt, what, Noop, "the cluster is known")
		return
	}
	reason := "first run: role " + m.p.AppRole + " is ensured, the baseline written"
	role := Action{Op: EnsureRole, Resource: m.p.AppRole, Why: "Odoo logs in as it", Reveals: true}
	switch {
	case !m.in.MayChangeRoles():
		reason = "first run: the login is checked, the baseline written"
		role = Action{Op: ProveLogin, Resource: m.p.AppRole, Why: "roles of an external server are changed only by an administrator who is named"}
		if m.Want.EnsureRole {
			m.refused(Role, fmt.Errorf("the roles of an external PostgreSQL are changed only by an administrator whom you name: %s=postgresql://USER:PASSWORD@HOST in the environment", adminURLKey))
		}
		if !m.adoption() {
			// What drifted there is proven by the login that follows.
			m.told(StepAdopt, what, Noop, "the roles of an external server are left as they are")
			return
		}
	case m.Want.EnsureRole:
		reason = "role " + m.p.AppRole + " is ensured"
	case !m.adoption():
		reason = "role " + m.p.AppRole + " is ensured after an accepted change"
	case m.w.Run.RoleEnsured:
		reason = "first run: the baseline is written"
	}
	if !m.starting() && !m.w.Status.Ready {
		m.told(StepAdopt, what, Skip, reason+"; --skip-start")
		return
	}
	actions := m.start()
	if m.ensures() {
		if m.w.Server != nil && m.Want.Explain && role.Op == EnsureRole {
			// The server runs: what would be done can be read first.
			if m.w.RoleSQL == nil {
				m.Questions.RoleSQL = true
			} else {
				role.SQL = m.w.RoleSQL.Lines
			}
		}
		if m.filesStay() || m.p.KeepCompose {
			// A superuser that has to be made gets its password here too.
			secret, _ := m.secret()
			actions = append(actions, secret...)
		}
		actions = append(actions, role)
	}
	if m.adoption() {
		actions = append(actions, Action{Op: WriteBaseline, Resource: baselinePath(m.in), Why: "no login was recorded yet", Reveals: true})
	}
	m.step(StepAdopt, what, reason, actions...)
}

// start is PostgreSQL's, once in a plan.
func (m *maker) start() []Action {
	if m.starts || !m.starting() || m.p.External || !m.w.Asked || m.w.Status.Running && m.w.Status.Ready && !m.stopsOwn() {
		return nil
	}
	m.starts = true
	var actions []Action
	if m.w.Kind == engines.Docker && m.p.DataVolume == "" && !m.p.KeepCompose && m.w.Disk.State == datadir.Missing {
		// A volume of driver local cannot bind what does not exist.
		actions = append(actions, Action{Op: MakeDir, Resource: m.p.DataDir, Why: "it is not there"})
	}
	why := "it is not running"
	switch {
	case m.stopsOwn():
		why = "it ran on other data"
	case m.w.Status.Running:
		why = "it does not accept connections"
	case m.w.Disk.State == datadir.Missing, m.w.Disk.State == datadir.Empty:
		why = "it is not running; a new cluster is made in " + m.in.DataName()
	}
	actions = append(m.pulled(m.in.PostgresImage), actions...)
	return append(actions, Action{Op: StartPostgres, Resource: m.p.ServiceName, Why: why, Reveals: true})
}

// pulled gets images that are not on this machine, each once. Compose would do it too,
// but only when something was written, or stopped.
func (m *maker) pulled(images ...string) []Action {
	var actions []Action
	for _, image := range images {
		if m.w.Stack && slices.Contains(m.w.MissingImages, image) && !slices.Contains(m.pulls, image) {
			m.pulls = append(m.pulls, image)
			// Where PostgreSQL's image keeps its data, and whose its files are, it says itself.
			actions = append(actions, Action{Op: PullImage, Resource: image, Why: "it is not on this machine", Reveals: image == m.in.PostgresImage})
		}
	}
	return actions
}

// stopsOwn: the service that runs is stopped by this plan, since it has other
// data.
func (m *maker) stopsOwn() bool {
	return m.w.OldServer != nil || m.w.OnOldData
}

// up starts Odoo, and is done when the checker has proven the login.
func (m *maker) up() {
	const what = "Start, and wait until Odoo's login is proven"
	switch {
	case m.Want.Goal == Files:
		m.told(StepUp, what, Skip, "--skip-start")
		return
	case m.Want.Goal < Odoo:
		actions := m.start()
		if len(actions) == 0 {
			m.told(StepUp, what, Skip, "Odoo is left as it is")
			return
		}
		m.step(StepUp, what, "PostgreSQL is not running", actions...)
		return
	}
	if m.w.Run.Up {
		m.told(StepUp, what, Noop, "it was started by this run, and the login is proven")
		return
	}
	reason := m.whyUp()
	if reason == "" {
		m.told(StepUp, what, Noop, "it is running as its last proven login found it; a run proves the login again")
		m.Steps[len(m.Steps)-1].Actions = []Action{{Op: ProveLogin, Step: StepUp, Resource: m.p.AppRole, Why: "somebody may have changed it since"}}
		return
	}
	actions := append(m.start(), m.pulled(m.w.MissingImages...)...)
	m.step(StepUp, what, reason, append(actions, Action{Op: UpOdoo, Resource: m.p.OdooServiceName, Why: reason, Reveals: true})...)
	m.access()
}

// whyUp says why Odoo has to be started or proven, "" if it has not.
func (m *maker) whyUp() string {
	w, p := m.w, m.p
	odoo := w.Odoo(p.OdooServiceName)
	switch {
	case !w.Asked:
		return "Docker was not asked what runs"
	case !p.External && !w.Status.Running:
		return "PostgreSQL is not running"
	case !p.External && !w.Status.Ready:
		return "PostgreSQL does not accept connections"
	case w.Stack && odoo.Paused:
		return "Odoo's container is paused"
	case w.Stack && !odoo.Running:
		return "Odoo is not running"
	case w.Stack && odoo.Env[envID] != m.d.Handoff.ID:
		return "Odoo runs with a different configuration"
	case w.OdooHere && len(p.OdooCommand) > 0 && !w.Process.Runs:
		return "ODOO_COMMAND is not running"
	case w.OdooHere && len(p.OdooCommand) > 0 && w.Process.Outdated:
		return "ODOO_COMMAND, Odoo's data directory or where it listens changed since Odoo was started"
	case MustProve(w, m.d):
		return "the login is not proven for this configuration"
	case m.d.PasswordChanges(w):
		// The container that runs has the old one, and would prove that.
		return "the database password changed"
	case !w.Stack:
		return ""
	case m.d.ComposeChanges(w):
		return m.in.Rel(m.in.ComposePath()) + " changes"
	}
	return m.stale()
}

// stale says why the containers that run are not what the compose files say,
// "" if they are. A record that is missing or cannot be read is no proof.
func (m *maker) stale() string {
	was := m.w.Up
	if was.Config == "" {
		return "what runs was not started by this odpm"
	}
	c, known := m.w.ConfigOf(m.d.Judged(m.w))
	switch {
	case !known:
		return "" // it was asked for by compose.validate
	case c.Err != nil:
		return "docker compose does not accept the project's files"
	case c.Digest != was.Config:
		return "the compose files changed since the containers were started"
	}
	now := m.w.Hashes()
	for _, service := range sortedKeys(was.Services) {
		switch hash, ok := now[service]; {
		case !ok:
			return "service " + service + " has no container"
		case hash != was.Services[service]:
			return "service " + service + " was started from other compose files"
		}
	}
	return ""
}

// access asks whether Odoo's uid can use what is mounted for it.
func (m *maker) access() {
	im := m.d.Image
	if !m.w.Stack || im.Problem != nil {
		return
	}
	image := im.Ref
	if !im.Present {
		image = m.p.OdooImage
		if !im.BaseKnown {
			return
		}
	}
	q := accessOf(m.in, m.w, m.d, image)
	if len(q.Paths) == 0 {
		return
	}
	if m.w.Access == nil {
		m.Questions.Access = &q
		return
	}
	if a := *m.w.Access; len(a.Problems) > 0 {
		m.refused(Odoo, accessRefusal(a, m.untouched()))
	}
}
