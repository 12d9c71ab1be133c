package plan

import (
	"encoding/json"
	"io"

	"github.com/odpm/odpm/host/ui"
)

type jsonStep struct {
	ID          string   `json:"id"`
	Outcome     Outcome  `json:"outcome"`
	Required    bool     `json:"required"`
	Changes     bool     `json:"changes"`
	Description string   `json:"description"`
	Reason      string   `json:"reason"`
	SQL         []string `json:"sql,omitempty"`
}

type jsonDiff struct {
	Path    string `json:"path"`
	Summary string `json:"summary"`
	Unified string `json:"unified_diff"`
}

type jsonRefusal struct {
	Message string `json:"message"`
	// Refusal: exit code 3; otherwise the run fails with 1.
	Refusal bool `json:"refusal"`
}

// WriteJSON is the contract of docs/plan-json.md.
func (r *Report) WriteJSON(out io.Writer, diffs bool) error {
	s := r.Session
	hide := s.secrets().Hide
	doc := struct {
		Version  int             `json:"plan_version"`
		Steps    []jsonStep      `json:"steps"`
		Drifts   []DriftJSON     `json:"drifts"`
		Summary  map[Outcome]int `json:"summary"`
		Blocking bool            `json:"blocking"`
		Warnings []string        `json:"warnings"`
		Refusals []jsonRefusal   `json:"refusals"`
		Diffs    []jsonDiff      `json:"diffs,omitempty"`
	}{Version: 1, Drifts: DriftsJSON(s.Drifts), Blocking: s.Blocking(), Warnings: []string{}, Refusals: []jsonRefusal{},
		Summary: map[Outcome]int{Run: r.count(Run), Update: r.count(Update), Noop: r.count(Noop), Skip: r.count(Skip)}}
	for _, e := range r.Entries {
		doc.Steps = append(doc.Steps, jsonStep{e.ID, e.Outcome, e.Required, e.Outcome == Run || e.Outcome == Update, e.Description, ui.Clean(hide(e.Reason)), hidden(hide, e.SQL)})
		if diffs && e.Diff != nil {
			doc.Diffs = append(doc.Diffs, jsonDiff{e.Diff.Path, e.Diff.Summary, s.secrets().HideText(e.Diff.Unified)})
		}
	}
	for _, w := range s.Warnings {
		doc.Warnings = append(doc.Warnings, ui.Clean(hide(w)))
	}
	for _, p := range s.Problems {
		doc.Refusals = append(doc.Refusals, jsonRefusal{ui.CleanLines(hide(p.Error())), ui.IsRefusal(p)})
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

// hidden is each text without secrets.
func hidden(hide func(string) string, texts []string) []string {
	var out []string
	for _, t := range texts {
		out = append(out, hide(t))
	}
	return out
}
