package plan

import (
	"context"
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
	return r.count(Run)+r.count(Update) > 0 || len(drift.Changes(r.Session.Drifts)) > 0 || len(r.Session.Problems) > 0
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

// WriteTable shows the plan to a person.
func (r *Report) WriteTable(out io.Writer, color, diffs bool) {
	s := r.Session
	out = s.secrets().Writer(out)
	paint := func(st ui.Style, text string) string { return ui.Paint(color, st, text) }
	p := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
	drifts := drift.Changes(r.Session.Drifts)
	switch {
	case s.Snapshot == nil:
		p("First run: no login has been recorded for this project yet.")
		p("  cluster  %s", r.clusterLine())
	case len(drifts) > 0:
		p("Drift since last run (%s):", snapshot.Stamp(s.Snapshot.RecordedAt))
	case !r.Changes():
		p("No changes. Project files and PostgreSQL settings match the last run.")
	}
	WriteDrifts(out, color, drifts, s.Accepted)
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
		for _, l := range strings.Split(strings.TrimRight(ui.CleanLines(r.Session.secrets().HideText(e.Diff.Unified)), "\n"), "\n") {
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
	for _, d := range drift.Changes(r.Session.Drifts) {
		by[d.Severity]++
	}
	for _, sev := range []drift.Severity{drift.High, drift.Medium, drift.Low} {
		n := by[sev]
		if n == 0 {
			continue
		}
		w := fmt.Sprintf("%d %s", n, sev)
		if sev == drift.High && r.Session.Blocking() {
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
