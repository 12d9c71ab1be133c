// Package plan says what a run would do, and what is in the way of it. It is
// pure: what a person wrote, what is there and what should be there go in, a
// Plan comes out. host/apply does what it says and decides nothing.
package plan

import (
	"maps"
	"slices"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/desired"
	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/world"
)

// Make plans. accepted are the kinds that a person accepted with this command;
// what was accepted before is part of the World. A plan with Questions is made
// again when they are answered.
func Make(in *inputs.Inputs, w *world.World, d *desired.Desired, want Want, accepted drift.Accepted) *Plan {
	m := &maker{in: in, p: in.Project, w: w, d: d, Plan: &Plan{Want: want, Drifts: d.Drifts}}
	m.Accepted = effective(d.Drifts, accepted, w, want)
	m.Open = drift.Open(d.Drifts, m.Accepted)
	m.Warnings = slices.Concat(in.Warnings, w.Warnings, d.Warnings, m.clusterWarnings())
	m.Inputs = inputsOf(in, w)
	m.refuse()
	m.drift()
	m.conf()
	m.handoff()
	m.image()
	m.compose()
	m.validate()
	m.stopOld()
	m.adopt()
	m.up()
	m.order()
	return m.Plan
}

// inputsOf is what would make another plan of the same steps: on another cluster, with
// a setting that no step shows, or by another image of the same name.
func inputsOf(in *inputs.Inputs, w *world.World) map[string]string {
	out := maps.Clone(in.Sums)
	if out == nil {
		out = map[string]string{}
	}
	out["the data directory"] = digest([]any{w.Disk.State, w.Disk.Major, w.Disk.SystemIdentifier, w.Disk.ClusterDir})
	out["odpm-checker"] = w.Checker.Digest
	if w.OdooImage != nil {
		out["the image "+in.Project.OdooImage] = w.OdooImage.ID
	}
	return out
}

// maker builds one plan.
type maker struct {
	*Plan
	in *inputs.Inputs
	p  *project.Project
	w  *world.World
	d  *desired.Desired
	// starts: PostgreSQL's start is planned already.
	starts bool
	// pulls are the images whose pull is planned already.
	pulls []string
	// outcome ends a refusal, "" where it is a plan's or a run's.
	outcome string
}

// effective is what counts as accepted: now, or before with the same values.
// What ensure-role is called for needs no further answer, and what has nothing
// to do with roles is not its question.
func effective(drifts []drift.Drift, now drift.Accepted, w *world.World, want Want) drift.Accepted {
	out := drift.Accepted{}
	for k, yes := range now {
		out[k] = yes
	}
	for _, d := range drifts {
		for _, a := range w.Accepted {
			if a.Kind == string(d.Kind) && a.Previous == d.Previous && a.Current == d.Current {
				out[d.Kind] = true
			}
		}
	}
	for _, k := range []drift.Kind{drift.DataPath, drift.PostgresMajor, drift.DataDirEmptyChanged, drift.ClusterIdentity} {
		if out[k] && drift.Has(drifts, k) {
			// That another cluster may lack the role goes without saying.
			out[drift.AppRoleMissing] = true
		}
	}
	if want.EnsureRole {
		out[drift.AppRoleMissing], out[drift.OdpmScenario] = true, true
	}
	return out
}

// starting tells that the goal is more than files.
func (m *maker) starting() bool { return m.Want.Goal > Files }

// adoption: there is no snapshot, and this run writes the first baseline.
func (m *maker) adoption() bool { return m.w.Snapshot == nil && !m.Want.EnsureRole }

// ensures tells whether the application role is ensured before Odoo starts: on
// adoption, and after what may have brought another cluster.
func (m *maker) ensures() bool {
	if m.w.Run.RoleEnsured {
		return false
	}
	return m.Want.EnsureRole || m.adoption() || drift.Has(m.Drifts, drift.DataPath, drift.PostgresMajor, drift.DataDirEmptyChanged,
		drift.AppRoleMissing, drift.ClusterIdentity)
}

// MustProve tells whether a login has to be recorded: for another
// configuration, or for a cluster that is not the last run's.
func MustProve(w *world.World, d *desired.Desired) bool {
	return w.Run.Drifted || len(drift.Changes(d.Drifts)) > 0 || w.Snapshot == nil || w.Snapshot.HandoffID != d.Handoff.ID
}

// step ends a step whose actions decide its outcome.
func (m *maker) step(id, description, reason string, actions ...Action) {
	s := Step{ID: id, Description: description, Outcome: Noop, Reason: reason}
	for _, a := range actions {
		a.Step = id
		s.Actions = append(s.Actions, a)
		s.Required = true
		if a.Op == WriteFile {
			s.Outcome = Update
		} else if s.Outcome == Noop {
			s.Outcome = Run
		}
	}
	m.Steps = append(m.Steps, s)
}

// told ends a step that does nothing.
func (m *maker) told(id, description string, o Outcome, reason string) {
	m.Steps = append(m.Steps, Step{ID: id, Description: description, Outcome: o, Reason: reason, Required: o == Run})
}

// order puts the actions in a row: an image is pulled before anything is
// written, since it may show that nothing should be, and what nobody uses is
// removed when all is done.
func (m *maker) order() {
	var first, middle, last []Action
	for _, s := range m.Steps {
		for _, a := range s.Actions {
			switch a.Op {
			case PullImage:
				first = append(first, a)
			case RemoveImage:
				last = append(last, a)
			default:
				middle = append(middle, a)
			}
		}
	}
	m.Actions = slices.Concat(first, middle, last)
}

func (m *maker) clusterWarnings() []string {
	if m.w.Server == nil {
		return nil
	}
	return cluster.Warnings(*m.w.Server)
}
