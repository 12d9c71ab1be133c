package plan

import (
	"context"
	"strings"

	"github.com/odpm/odpm/host/drift"
)

// driftStep is the preflight; what needs an answer was answered before any
// step is applied.
type driftStep struct{}

func (driftStep) ID() string          { return "database.drift" }
func (driftStep) Description() string { return "Compare the project with the last proven login" }

func (driftStep) Preview(_ context.Context, s *Session) (Preview, error) {
	var kinds []string
	for _, d := range drift.Changes(s.Drifts) {
		kinds = append(kinds, string(d.Kind))
	}
	if len(kinds) == 0 {
		return noop("no drift"), nil
	}
	p := run("drift: " + strings.Join(kinds, ", "))
	p.Required = len(drift.Open(s.Drifts, nil)) > 0
	return p, nil
}

func (driftStep) Apply(_ context.Context, s *Session) error {
	for _, d := range s.Drifts {
		if d.Severity == drift.Low {
			s.Term.Warn("%s changed: %s -> %s", d.Kind, d.Previous, d.Current)
		}
	}
	return nil
}
