package plan

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/snapshot"
)

// Entry is one step in a report.
type Entry struct {
	ID, Description string
	Preview
}

// Report is what `odpm plan` shows, as a table or as JSON.
type Report struct {
	Session *Session
	Entries []Entry
}

// Make previews every step.
func Make(ctx context.Context, s *Session) (*Report, error) {
	r := &Report{Session: s}
	for _, st := range Steps() {
		p, err := st.Preview(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", st.ID(), err)
		}
		r.Entries = append(r.Entries, Entry{st.ID(), st.Description(), p})
	}
	return r, nil
}

func (r *Report) count(o Outcome) int {
	n := 0
	for _, e := range r.Entries {
		if e.Outcome == o {
			n++
		}
	}
	return n
}

// Changes tells whether a run would do anything, or there is drift.
func (r *Report) Changes() bool {
	return r.count(Run)+r.count(Update) > 0 || len(r.drifts()) > 0 || len(r.Session.Problems) > 0
}

// RequiredChanges is what --plan-strict fails on.
func (r *Report) RequiredChanges() bool {
	for _, e := range r.Entries {
		if e.Required && (e.Outcome == Run || e.Outcome == Update) {
			return true
		}
	}
	return len(r.Session.Problems) > 0
}

// Blocking: a high drift that was not accepted.
func (r *Report) Blocking() bool { return blocking(r.Session) }

func blocking(s *Session) bool {
	for _, d := range drift.Open(s.Drifts, s.Accepted) {
		if d.Blocking() {
			return true
		}
	}
	return false
}

// drifts without first_run, which is news and no drift.
func (r *Report) drifts() []drift.Drift {
	var out []drift.Drift
	for _, d := range r.Session.Drifts {
		if d.Kind != drift.FirstRun {
			out = append(out, d)
		}
	}
	return out
}

// WriteTable shows the plan to a person.
func (r *Report) WriteTable(out io.Writer, color, diffs bool) {
	s := r.Session
	paint := func(st ui.Style, text string) string { return ui.Paint(color, st, text) }
	p := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
	drifts := r.drifts()
	switch {
	case s.Snapshot == nil:
		p("First run: no login has been recorded for this project yet.")
		p("  cluster  %s", r.clusterLine())
	case len(drifts) > 0:
		p("Drift since last run (%s):", snapshot.Stamp(s.Snapshot.RecordedAt))
	case !r.Changes():
		p("No changes. Project files and PostgreSQL settings match the last run.")
	}
	r.driftTable(out, paint, drifts)
	if r.count(Run)+r.count(Update) > 0 {
		if s.Snapshot == nil || len(drifts) > 0 {
			p("")
		}
		tw := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
		fmt.Fprintln(tw, "Action\tRequired\tStep\tReason")
		for _, e := range r.Entries {
			if e.Outcome == Run || e.Outcome == Update {
				fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", e.Outcome, yesNo(e.Required), e.ID, ui.Clean(e.Reason))
			}
		}
		tw.Flush()
	}
	if diffs {
		r.writeDiffs(out, paint)
	}
	for _, prob := range s.Problems {
		p("")
		p("%s %s", paint(ui.Red, "Refused:"), ui.CleanLines(prob.Error()))
	}
	for _, w := range s.Warnings {
		p("%s %s", paint(ui.Yellow, "Warning:"), ui.Clean(w))
	}
	if r.Changes() {
		p("")
	}
	p("%s", r.counts())
	p("Nothing was written or started.")
}

func (r *Report) clusterLine() string {
	f := r.Session.Observed.Data
	line := f.Path
	if r.Session.Project.DataVolume != "" {
		line = "volume " + r.Session.Project.DataVolume
	}
	return ui.Clean(line + ": " + f.Describe())
}

func (r *Report) driftTable(out io.Writer, paint func(ui.Style, string) string, drifts []drift.Drift) {
	width := 0
	for _, d := range drifts {
		width = max(width, len(d.Kind))
	}
	for _, d := range drifts {
		word := fmt.Sprintf("%-6s", d.Severity)
		switch d.Severity {
		case drift.High:
			word = paint(ui.Red, fmt.Sprintf("%-6s", "HIGH"))
		case drift.Medium:
			word = paint(ui.Yellow, word)
		}
		fmt.Fprintf(out, "  %s  %-*s  %s -> %s\n", word, width, d.Kind, ui.Clean(d.Previous), ui.Clean(d.Current))
		indent := strings.Repeat(" ", 10)
		switch {
		case !d.NeedsAnswer():
		case !d.Resolvable:
			fmt.Fprintf(out, "%sCannot start, and cannot be accepted. %s\n", indent, d.Message)
			for _, w := range d.WaysOut {
				fmt.Fprintf(out, "%s%s\n", indent, w)
			}
		case r.Session.Accepted[d.Kind]:
			fmt.Fprintf(out, "%sAccepted.\n", indent)
		case d.Kind == drift.DataPath, d.Kind == drift.PostgresMajor:
			fmt.Fprintf(out, "%sBlocks container start. Restore the %s, or pass --accept-database-drift=%s\n", indent,
				map[drift.Kind]string{drift.DataPath: "path", drift.PostgresMajor: "version"}[d.Kind], d.Kind)
		case d.Blocking():
			fmt.Fprintf(out, "%sBlocks container start. %s\n%sPass --accept-database-drift=%s to go on.\n", indent, d.Message, indent, d.Kind)
		default:
			fmt.Fprintf(out, "%s%s\n%sNeeds an answer: --accept-database-drift=%s\n", indent, d.Message, indent, d.Kind)
		}
	}
}

func (r *Report) writeDiffs(out io.Writer, paint func(ui.Style, string) string) {
	for _, e := range r.Entries {
		if len(e.SQL) > 0 {
			fmt.Fprintf(out, "\n%s (statements, secrets masked)\n", e.ID)
			for _, q := range e.SQL {
				fmt.Fprintf(out, "  %s\n", ui.Clean(q))
			}
		}
		if e.Diff == nil {
			continue
		}
		fmt.Fprintf(out, "\n%s %s\n", ui.Clean(e.Diff.Path), e.Diff.Summary)
		for _, l := range strings.Split(strings.TrimRight(ui.CleanLines(e.Diff.Unified), "\n"), "\n") {
			switch {
			case strings.HasPrefix(l, "+"):
				l = paint(ui.Green, l)
			case strings.HasPrefix(l, "-"):
				l = paint(ui.Red, l)
			case strings.HasPrefix(l, "@@"):
				l = paint(ui.Cyan, l)
			}
			if l != "" {
				fmt.Fprintln(out, l)
			}
		}
	}
}

// counts is the last but one line of a plan.
func (r *Report) counts() string {
	var parts []string
	for _, c := range []struct {
		o    Outcome
		text string
	}{{Update, "to update"}, {Run, "to run"}, {Noop, "unchanged"}, {Skip, "skipped"}} {
		if n := r.count(c.o); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, c.text))
		}
	}
	line := "Plan: " + strings.Join(parts, ", ") + "."
	var words []string
	by := map[drift.Severity]int{}
	for _, d := range r.drifts() {
		by[d.Severity]++
	}
	for _, sev := range []drift.Severity{drift.High, drift.Medium, drift.Low} {
		n := by[sev]
		if n == 0 {
			continue
		}
		w := fmt.Sprintf("%d %s", n, sev)
		if sev == drift.High && r.Blocking() {
			w += " (blocking)"
		}
		words = append(words, w)
	}
	if len(words) > 0 {
		line += " Drift: " + strings.Join(words, ", ") + "."
	}
	return line
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

type jsonStep struct {
	ID          string   `json:"id"`
	Outcome     Outcome  `json:"outcome"`
	Required    bool     `json:"required"`
	Changes     bool     `json:"changes"`
	Description string   `json:"description"`
	Reason      string   `json:"reason"`
	SQL         []string `json:"sql,omitempty"`
}

type jsonDrift struct {
	Kind       drift.Kind     `json:"kind"`
	Severity   drift.Severity `json:"severity"`
	Previous   string         `json:"previous"`
	Current    string         `json:"current"`
	Blocking   bool           `json:"blocking"`
	Resolvable bool           `json:"resolvable"`
	Message    string         `json:"message"`
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

func driftsJSON(all []drift.Drift) []jsonDrift {
	out := []jsonDrift{}
	for _, d := range all {
		out = append(out, jsonDrift{d.Kind, d.Severity, ui.Clean(d.Previous), ui.Clean(d.Current), d.Blocking(), d.Resolvable, d.Message})
	}
	return out
}

// WriteJSON is the contract of docs/plan-json.md.
func (r *Report) WriteJSON(out io.Writer, diffs bool) error {
	s := r.Session
	doc := struct {
		Version  int             `json:"plan_version"`
		Steps    []jsonStep      `json:"steps"`
		Drifts   []jsonDrift     `json:"drifts"`
		Summary  map[Outcome]int `json:"summary"`
		Blocking bool            `json:"blocking"`
		Warnings []string        `json:"warnings"`
		Refusals []jsonRefusal   `json:"refusals"`
		Diffs    []jsonDiff      `json:"diffs,omitempty"`
	}{Version: 1, Drifts: driftsJSON(s.Drifts), Blocking: r.Blocking(), Warnings: []string{}, Refusals: []jsonRefusal{},
		Summary: map[Outcome]int{Run: r.count(Run), Update: r.count(Update), Noop: r.count(Noop), Skip: r.count(Skip)}}
	for _, e := range r.Entries {
		doc.Steps = append(doc.Steps, jsonStep{e.ID, e.Outcome, e.Required, e.Outcome == Run || e.Outcome == Update, e.Description, ui.Clean(e.Reason), e.SQL})
		if diffs && e.Diff != nil {
			doc.Diffs = append(doc.Diffs, jsonDiff{e.Diff.Path, e.Diff.Summary, e.Diff.Unified})
		}
	}
	for _, w := range s.Warnings {
		doc.Warnings = append(doc.Warnings, ui.Clean(w))
	}
	for _, p := range s.Problems {
		doc.Refusals = append(doc.Refusals, jsonRefusal{ui.CleanLines(p.Error()), ui.IsRefusal(p)})
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}
