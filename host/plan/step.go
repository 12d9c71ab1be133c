// Package plan is the ordered list of what a run does. Each step previews and
// applies itself; `odpm plan` does the first, `odpm` both, over the same list,
// so that a plan cannot promise what a run does not do. A Session is the look
// at a project that steps start from and keep up to date.
package plan

import "context"

// Outcome is what a step would do. The words are a contract (docs/plan-json.md).
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

// Preview is what a step says before it does it.
type Preview struct {
	Outcome Outcome
	// Required: the run cannot end well without it.
	Required bool
	// Reason is one line: why this outcome.
	Reason string
	// Diff is the file's change, nil where there is none.
	Diff *Diff
	// SQL are the statements that would run, secrets masked.
	SQL []string
}

// Step is one thing that a run does.
type Step interface {
	ID() string
	Description() string
	Preview(ctx context.Context, s *Session) (Preview, error)
	Apply(ctx context.Context, s *Session) error
}

// Steps are all steps in the order in which they are applied. The ids are a
// contract: additive only.
func Steps() []Step {
	return []Step{
		driftStep{}, odooConfStep{}, handoffStep{}, imageStep{}, composeStep{},
		validateStep{}, stopOldStep{}, adoptStep{}, upStep{},
	}
}

func noop(reason string) Preview { return Preview{Outcome: Noop, Reason: reason} }
func skip(reason string) Preview { return Preview{Outcome: Skip, Reason: reason} }
func run(reason string) Preview  { return Preview{Outcome: Run, Required: true, Reason: reason} }
