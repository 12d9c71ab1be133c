package report

import (
	"encoding/json"
	"io"

	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/ui"
)

type jsonStep struct {
	ID          string       `json:"id"`
	Outcome     plan.Outcome `json:"outcome"`
	Required    bool         `json:"required"`
	Changes     bool         `json:"changes"`
	Description string       `json:"description"`
	Reason      string       `json:"reason"`
	SQL         []string     `json:"sql,omitempty"`
	// Actions are what the step does, in order.
	Actions []ActionJSON `json:"actions,omitempty"`
}

// ActionJSON is an action, of a plan or of what a run did.
type ActionJSON struct {
	Op       string `json:"op"`
	Resource string `json:"resource"`
	Why      string `json:"why"`
}

type jsonDiff struct {
	Path    string `json:"path"`
	Summary string `json:"summary"`
	Unified string `json:"unified_diff"`
}

type jsonRefusal struct {
	// Code is what "odpm explain" knows it by.
	Code    codes.Code `json:"code"`
	Message string     `json:"message"`
	// Refusal: exit code 3; otherwise the run fails with 1.
	Refusal bool `json:"refusal"`
	// Next are the ways out, a command or a setting each.
	Next []string `json:"next"`
}

type jsonBaseline struct {
	ProvenAt string     `json:"proven_at"`
	Compared []Compared `json:"compared"`
}

// planDoc is the plan (docs/schemas/plan.schema.json).
type planDoc struct {
	Version  int           `json:"plan_version"`
	Steps    []jsonStep    `json:"steps"`
	Drifts   []DriftJSON   `json:"drifts"`
	Summary  summaryDoc    `json:"summary"`
	Blocking bool          `json:"blocking"`
	Warnings []string      `json:"warnings"`
	Refusals []jsonRefusal `json:"refusals"`
	Diffs    []jsonDiff    `json:"diffs,omitempty"`
	Baseline *jsonBaseline `json:"baseline,omitempty"`
}

// summaryDoc counts the steps by their outcome.
type summaryDoc struct {
	Run    int `json:"run"`
	Update int `json:"update"`
	Noop   int `json:"noop"`
	Skip   int `json:"skip"`
}

// ActionsJSON hides secrets; it is never nil.
func ActionsJSON(actions []plan.Action, hide func(string) string) []ActionJSON {
	out := []ActionJSON{}
	for _, a := range actions {
		out = append(out, ActionJSON{string(a.Op), ui.Clean(hide(a.Resource)), ui.Clean(hide(a.Why))})
	}
	return out
}

// WriteJSON is the contract of docs/reference/plan-json.md.
func (r Report) WriteJSON(out io.Writer, diffs bool) error {
	hide := r.Secrets.Hide
	doc := planDoc{Version: 1, Drifts: DriftsJSON(r.Plan.Drifts), Blocking: r.Plan.Blocking(), Warnings: []string{}, Refusals: []jsonRefusal{},
		Summary: summaryDoc{r.Plan.Count(plan.Run), r.Plan.Count(plan.Update), r.Plan.Count(plan.Noop), r.Plan.Count(plan.Skip)}}
	for _, e := range r.Plan.Steps {
		step := jsonStep{ID: e.ID, Outcome: e.Outcome, Required: e.Required, Changes: e.Outcome == plan.Run || e.Outcome == plan.Update, Description: e.Description, Reason: ui.Clean(hide(e.Reason))}
		for _, a := range e.Actions {
			for _, q := range a.SQL {
				step.SQL = append(step.SQL, hide(q))
			}
		}
		step.Actions = ActionsJSON(e.Actions, hide)
		doc.Steps = append(doc.Steps, step)
		if d := r.diff(e); diffs && d != nil {
			doc.Diffs = append(doc.Diffs, jsonDiff{d.Path, d.Summary, r.Secrets.HideText(d.Unified)})
		}
	}
	for _, d := range drift.Changes(r.Plan.Drifts) {
		doc.Warnings = append(doc.Warnings, ui.Clean(hide(d.Text())))
	}
	for _, w := range r.Plan.Warnings {
		doc.Warnings = append(doc.Warnings, ui.Clean(hide(w)))
	}
	for _, refusal := range r.Plan.Refusals {
		message, next := ui.OneLine(refusal.Err)
		doc.Refusals = append(doc.Refusals, jsonRefusal{CodeOf(refusal.Err, ""), ui.Clean(hide(message)), ui.IsRefusal(refusal.Err), next})
	}
	if r.Baseline != nil {
		doc.Baseline = &jsonBaseline{ProvenAt: r.Baseline.ProvenAt, Compared: r.Compared()}
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}
