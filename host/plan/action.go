package plan

import (
	"fmt"
	"strings"

	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/world"
)

// Op is what an action does.
type Op string

const (
	MakeDir       Op = "make_dir"
	MakeSecret    Op = "make_secret"
	WriteFile     Op = "write_file"
	PullImage     Op = "pull_image"
	BuildImage    Op = "build_image"
	StopService   Op = "stop_service"
	StopServer    Op = "stop_server"
	RemoveVolume  Op = "remove_volume"
	StartPostgres Op = "start_postgres"
	EnsureRole    Op = "ensure_role"
	ProveLogin    Op = "prove_login"
	WriteBaseline Op = "write_baseline"
	UpOdoo        Op = "up"
	RemoveImage   Op = "remove_image"
	// PutChecker copies odpm-checker to where a kept file's Odoo has it mounted.
	PutChecker Op = "put_checker"
)

// Action is one thing that a run does outside of odpm's own memory.
type Action struct {
	Op Op
	// Resource is what it is done to: a path, a service, an image.
	Resource string
	// Why is one line.
	Why string
	// Step is the id of the contract that it belongs to.
	Step string
	// Project is the compose project of a service that is stopped, Port the port
	// of a server.
	Project string
	Port    int
	// File is what WriteFile writes.
	File *File
	// SQL are the statements that EnsureRole would run, secrets masked, where
	// they are known.
	SQL []string
	// Reveals: what is known changes with it, so a run looks again and plans anew.
	Reveals bool
}

// File is a file as it is (nil: none) and as it will be.
type File struct {
	Path     string
	Old, New []byte
}

func (a Action) String() string {
	s := fmt.Sprintf("[%s] %s %s: %s", a.Step, a.Op, a.Resource, a.Why)
	if a.Reveals {
		s += "; look again"
	}
	return s
}

// Outcome is what a step would do. The words are a contract (docs/reference/plan-json.md).
type Outcome string

const (
	// Run: the step does something that is not a file: it starts, stops, asks.
	Run Outcome = "run"
	// Update: the step writes a file.
	Update Outcome = "update"
	// Noop: everything is as the step wants it.
	Noop Outcome = "noop"
	// Skip: the step does not apply to this project or this command.
	Skip Outcome = "skip"
)

// The steps' ids, in their order: a contract, additive only.
const (
	StepDrift    = "database.drift"
	StepConf     = "template.odoo_conf"
	StepHandoff  = "checker.handoff"
	StepImage    = "checker.image"
	StepCompose  = "compose.generate"
	StepValidate = "compose.validate"
	StepStopOld  = "postgres.stop_old"
	StepAdopt    = "database.adopt"
	StepUp       = "compose.up"
)

// Step groups actions under an id that scripts rely on.
type Step struct {
	ID, Description string
	Outcome         Outcome
	// Required: the run cannot end well without it.
	Required bool
	// Reason is one line: why this outcome.
	Reason  string
	Actions []Action
}

// Refusal is why a run that goes as far as From does not begin.
type Refusal struct {
	// From is the lowest goal that it is in the way of.
	From Goal
	// Err is a *ui.Refusal (exit code 3) or a plain error (1).
	Err error
}

// Plan is what a run would do, and everything that a person should know before.
type Plan struct {
	Want  Want
	Steps []Step
	// Actions are the steps' in the order in which they are done.
	Actions []Action
	// Refusals are in the way of this plan's goal.
	Refusals []Refusal
	Warnings []string
	// Drifts are all of them, Accepted the kinds that were accepted, now or
	// before; Open still needs an answer.
	Drifts   []drift.Drift
	Accepted drift.Accepted
	Open     []drift.Drift
	// Inputs stand for what a plan is made of and does not say: files that a person
	// wrote, the cluster, the programs; for Fingerprint.
	Inputs map[string]string
	// Questions must be answered before the plan is one.
	Questions world.Questions
}

// Refused is the first refusal, nil for none.
func (p *Plan) Refused() error {
	if len(p.Refusals) == 0 {
		return nil
	}
	return p.Refusals[0].Err
}

// Blocking: there is a high drift that was not accepted.
func (p *Plan) Blocking() bool {
	for _, d := range p.Open {
		if d.Blocking() {
			return true
		}
	}
	return false
}

// Count is how many steps have an outcome.
func (p *Plan) Count(o Outcome) int {
	n := 0
	for _, s := range p.Steps {
		if s.Outcome == o {
			n++
		}
	}
	return n
}

// Changes tells whether a run would do anything, or there is drift.
func (p *Plan) Changes() bool {
	return p.Count(Run)+p.Count(Update) > 0 || len(drift.Changes(p.Drifts)) > 0 || len(p.Refusals) > 0
}

// RequiredChanges is what --plan-strict fails on.
func (p *Plan) RequiredChanges() bool {
	for _, s := range p.Steps {
		if s.Required && (s.Outcome == Run || s.Outcome == Update) {
			return true
		}
	}
	return len(p.Refusals) > 0
}

// Step finds one by its id.
func (p *Plan) Step(id string) Step {
	for _, s := range p.Steps {
		if s.ID == id {
			return s
		}
	}
	return Step{ID: id, Outcome: Skip}
}

// String prints everything that decides, for golden tests.
func (p *Plan) String() string {
	var b strings.Builder
	for _, d := range p.Drifts {
		state := ""
		switch {
		case !d.NeedsAnswer():
		case !d.Resolvable:
			state = " (cannot be accepted)"
		case p.Accepted[d.Kind]:
			state = " (accepted)"
		default:
			state = " (open)"
		}
		fmt.Fprintf(&b, "drift %s %s: %s -> %s%s\n", d.Severity, d.Kind, d.Previous, d.Current, state)
	}
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "%s %s: %s\n", s.Outcome, s.ID, s.Reason)
	}
	for i, a := range p.Actions {
		fmt.Fprintf(&b, "#%d %s\n", i+1, a)
	}
	for _, r := range p.Refusals {
		text, _, _ := strings.Cut(r.Err.Error(), "\n")
		fmt.Fprintf(&b, "refused from %s: %s\n", r.From, text)
	}
	for _, w := range p.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	return b.String()
}
