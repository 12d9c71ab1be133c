package plan

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/desired"
	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/host/world"
)

// filesStay: only the role was asked for, and the server answers already.
func (m *maker) filesStay() bool { return m.Want.EnsureRole && m.w.Status.Ready }

func (m *maker) drift() {
	const what = "Compare the project with the last proven login"
	var kinds []string
	for _, d := range drift.Changes(m.Drifts) {
		kinds = append(kinds, string(d.Kind))
	}
	if len(kinds) == 0 {
		m.told(StepDrift, what, Noop, "no drift")
		return
	}
	m.told(StepDrift, what, Run, "drift: "+strings.Join(kinds, ", "))
	m.Steps[len(m.Steps)-1].Required = len(drift.Open(m.Drifts, nil)) > 0
}

func (m *maker) conf() {
	const what = "Let odoo.conf name the PostgreSQL service"
	switch {
	case m.filesStay():
		m.told(StepConf, what, Skip, "only the role was asked for")
	case m.d.ConfChange == "":
		m.told(StepConf, what, Noop, "db_host, db_port and db_user are set")
	default:
		m.step(StepConf, what, m.d.ConfChange, write(m.p.OdooConfPath, m.d.ConfChange, m.w.Files.Conf, m.d.Conf))
	}
}

func write(path, why string, old, new []byte) Action {
	return Action{Op: WriteFile, Resource: path, Why: why, File: &File{path, old, new}}
}

// missing are the directories among paths that have to be made.
func (m *maker) missing(paths ...string) []Action {
	var out []Action
	for _, path := range paths {
		if desired.Missing(m.w, path) {
			out = append(out, Action{Op: MakeDir, Resource: path, Why: "it is not there"})
		}
	}
	return out
}

// givesDatabase tells that .odpm/database is still root's, and Odoo's user is
// known by now, and another.
func givesDatabase(in *inputs.Inputs, w *world.World, d *desired.Desired) bool {
	if w.UID != 0 || !w.Stack || !w.Files.DatabaseOfRoot || w.OdooImage == nil || in.OdooUser == "" && d.Spec.User != "" {
		return false
	}
	return !engine.IsRoot(cmp.Or(in.OdooUser, w.OdooImage.User))
}

func (m *maker) handoff() {
	const what = "Tell the checker what to prove"
	if m.filesStay() {
		m.told(StepHandoff, what, Skip, "only the role was asked for")
		return
	}
	dirs := m.in.Dirs
	actions := m.missing(dirs.Runtime(), dirs.Database(), dirs.State())
	reason := "checker.json is current"
	if len(actions) > 0 {
		reason = m.in.Rel(actions[0].Resource) + " is not there"
	} else if givesDatabase(m.in, m.w, m.d) {
		reason = m.in.Rel(dirs.Database()) + " belongs to root, but Odoo's user must write there"
		actions = append(actions, Action{Op: MakeDir, Resource: dirs.Database(), Why: "it belongs to root, but Odoo's user must write there"})
	}
	path := world.HandoffPath(dirs)
	if m.d.PasswordChanges(m.w) {
		reason = "the database password changed"
		actions = append(actions, write(dirs.SecretPath(state.OdooEnvFile), reason, m.w.Files.PasswordEnv, m.d.PasswordEnv))
	}
	if desired.Changed(m.w.Files.Handoff, m.d.HandoffBytes) {
		reason = m.in.Rel(path) + " is stale"
		if m.w.Files.Handoff == nil {
			reason = "there is no " + m.in.Rel(path)
		}
		actions = append(actions, write(path, reason, m.w.Files.Handoff, m.d.HandoffBytes))
	}
	m.step(StepHandoff, what, reason, actions...)
}

func (m *maker) image() {
	const what = "Put the checker in front of Odoo"
	im := m.d.Image
	build := im.Build && !im.Present
	switch {
	case m.w.OdooHere:
		m.told(StepImage, what, Skip, im.Reason)
	case m.filesStay():
		m.told(StepImage, what, Skip, "only the role was asked for")
	case m.in.Kept != nil:
		m.keptChecker(what)
	case build && !m.w.Stack:
		m.told(StepImage, what, Skip, "Docker was not asked whether the image is there")
	case build && !im.BaseKnown && !m.starting():
		m.told(StepImage, what, Skip, m.p.OdooImage+" is not on this machine; --skip-start pulls nothing")
	case build && !im.BaseKnown:
		m.step(StepImage, what, im.Reason,
			Action{Op: PullImage, Resource: m.p.OdooImage, Why: "it is not on this machine", Reveals: true},
			Action{Op: BuildImage, Resource: im.Ref, Why: im.Reason})
	case build:
		m.step(StepImage, what, im.Reason, Action{Op: BuildImage, Resource: im.Ref, Why: im.Reason})
	case im.Build:
		m.told(StepImage, what, Noop, im.Ref+" is built")
	default:
		m.told(StepImage, what, Noop, im.Reason)
	}
	if m.Want.Goal < Odoo || len(im.Unused) == 0 {
		return
	}
	s := &m.Steps[len(m.Steps)-1]
	for _, ref := range im.Unused {
		s.Actions = append(s.Actions, Action{Op: RemoveImage, Resource: ref, Step: StepImage, Why: "odpm built it, but no container was made from it"})
	}
	if s.Outcome == Noop {
		s.Outcome, s.Required = Run, false
		s.Reason = "images that odpm built and nothing uses are removed: " + strings.Join(im.Unused, ", ")
	}
}

// keptChecker mounts the checker into the person's own container: its image stays
// what it is.
func (m *maker) keptChecker(what string) {
	im, at := m.d.Image, m.w.Files.CheckerMounted
	var actions []Action
	if !im.BaseKnown && m.w.Stack && m.starting() {
		actions = append(actions, Action{Op: PullImage, Resource: m.p.OdooImage, Why: "it is not on this machine", Reveals: true})
	}
	if at != "" && !m.w.Files.CheckerThere {
		actions = append(actions, Action{Op: PutChecker, Resource: at, Why: "service " + m.p.OdooServiceName + " has it mounted"})
	}
	m.step(StepImage, what, im.Reason, actions...)
}

// secret makes the password of the superuser that odpm makes, where there is none. The
// image's entrypoint reads it as the container's user: who is not root there needs the
// right to. The directory that the file is in stays closed to everybody.
func (m *maker) secret() (actions []Action, reason string) {
	path := m.in.Dirs.SecretPath(state.BootstrapSecret)
	user := cmp.Or(m.in.PostgresUser, m.w.PostgresUser)
	switch {
	case m.p.External:
		return nil, ""
	case desired.Missing(m.w, path):
		return []Action{{Op: MakeSecret, Resource: path, Why: "a superuser that odpm makes has a password of its own"}}, m.in.Rel(path) + " is not there"
	case !m.p.KeepCompose && m.w.Files.SecretClosed && !engine.IsRoot(user):
		why := fmt.Sprintf("service %s runs as user %s, who may not read %s", m.p.ServiceName, user, m.in.Rel(path))
		return []Action{{Op: MakeSecret, Resource: path, Why: why}}, why
	}
	return nil, ""
}

func (m *maker) compose() {
	name := m.in.Rel(m.in.ComposePath())
	what := "Write " + name
	switch {
	case m.d.Compose == nil:
		m.told(StepCompose, what, Skip, "ODPM_COMPOSE=keep, and Docker is not asked")
		return
	case m.filesStay():
		m.told(StepCompose, what, Skip, "only the role was asked for")
		return
	}
	// What compose mounts must exist: Docker would make it as root.
	var (
		actions []Action
		reason  string
	)
	if !m.p.KeepCompose {
		actions, reason = m.secret()
	}
	if !m.p.KeepCompose && (m.w.UID != 0 || !m.w.Stack || m.w.OdooImage != nil || m.starting()) {
		// As root, without the image, it is not known yet whose it must be.
		actions = append(actions, m.missing(m.p.OdooDataDir)...)
	}
	if reason == "" && len(actions) > 0 {
		reason = m.in.Rel(actions[0].Resource) + " is not there"
	}
	reason = cmp.Or(reason, name+" is current")
	if !m.d.ComposeChanges(m.w) {
		m.step(StepCompose, what, reason, actions...)
		return
	}
	f := m.w.Files.Compose
	reason = name + " is stale"
	switch {
	case len(f.Beside) > 0 && m.Want.ReplaceCompose:
		reason = m.in.Rel(f.Beside[0]) + " is moved aside under a dated name"
	case len(f.Beside) > 0:
		reason = m.in.Rel(f.Beside[0]) + " was not written by odpm"
	case f.Bytes == nil:
		reason = "there is no " + name
	case !compose.IsOurs(f.Bytes) && m.Want.ReplaceCompose:
		reason = "a foreign " + name + " is replaced; a dated copy is kept"
	case !compose.IsOurs(f.Bytes):
		reason = name + " was not written by odpm"
	}
	m.step(StepCompose, what, reason, append(actions, write(f.Path, reason, f.Bytes, m.d.Compose))...)
}

// validate tells of compose's own judgement, which is asked for before anything
// is written.
func (m *maker) validate() {
	const what = "Let docker compose check the files"
	if m.w.Kind == engines.Native || !m.w.Stack {
		m.told(StepValidate, what, Skip, "Docker is not asked")
		return
	}
	if m.filesStay() {
		m.told(StepValidate, what, Skip, "only the role was asked for")
		return
	}
	candidate := m.d.Judged(m.w)
	c, known := m.w.ConfigOf(candidate)
	if !known {
		m.Questions.Config = append(m.Questions.Config, candidate)
	} else if c.Err != nil {
		m.refused(Files, fmt.Errorf("docker compose does not accept the project's files: %w", c.Err))
	}
	if candidate != nil {
		m.told(StepValidate, what, Run, "the files change")
		return
	}
	m.told(StepValidate, what, Noop, "the files did not change")
}
