// Package report shows a plan and its drifts: as a table, as JSON, as diffs. It
// renders values and asks nobody.
package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/look"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/snapshot"
)

// Report shows one look.
type Report struct {
	*look.View
	// Baseline is a login that was proven elsewhere, nil without one.
	Baseline *snapshot.Proven
}

// WriteTable shows the plan to a person.
func (r Report) WriteTable(out io.Writer, color, diffs bool) {
	out = r.Secrets.Writer(out)
	paint := func(st ui.Style, text string) string { return ui.Paint(color, st, text) }
	p := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
	r.writeBaseline(out, paint)
	drifts := drift.Changes(r.Plan.Drifts)
	switch {
	case r.World.Snapshot == nil:
		p("First run: no login has been recorded for this project yet.")
		p("  cluster  %s", r.clusterLine())
	case len(drifts) > 0:
		p("Drift since last run (%s):", snapshot.Stamp(r.World.Snapshot.RecordedAt))
	case !r.Plan.Changes():
		p("No changes. Project files and PostgreSQL settings match the last run.")
	}
	WriteDrifts(out, color, drifts, r.Plan.Accepted)
	if r.Plan.Count(plan.Run)+r.Plan.Count(plan.Update) > 0 {
		if r.World.Snapshot == nil || len(drifts) > 0 {
			p("")
		}
		tw := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
		fmt.Fprintln(tw, "Action\tRequired\tStep\tReason")
		for _, e := range r.Plan.Steps {
			if e.Outcome == plan.Run || e.Outcome == plan.Update {
				fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", e.Outcome, yesNo(e.Required), e.ID, ui.Clean(e.Reason))
			}
		}
		tw.Flush()
	}
	if diffs {
		r.writeDiffs(out, paint)
	}
	for _, refusal := range r.Plan.Refusals {
		p("")
		p("%s %s", paint(ui.Red, "Refused:"), ui.CleanLines(refusal.Err.Error()))
	}
	for _, w := range r.Plan.Warnings {
		p("%s %s", paint(ui.Yellow, "Warning:"), ui.Clean(w))
	}
	if line := ExplainCodes(InTheWay(r.Plan)); line != "" {
		p("")
		p("%s", line)
	}
	if r.Plan.Changes() {
		p("")
	}
	p("%s", r.counts())
	p("Nothing was written or started.")
}

// InTheWay are the codes of what keeps a run from going ahead.
func InTheWay(p *plan.Plan) (all []codes.Code) {
	for _, d := range p.Open {
		all = append(all, codes.Code(d.Kind))
	}
	for _, refusal := range p.Refusals {
		all = append(all, Codes(refusal.Err, "failed")...)
	}
	return all
}

func (r Report) clusterLine() string {
	f := r.Desired.Observed.Data
	switch {
	case r.Project.DataDir != "" && !r.Project.External:
		return ui.Clean(f.Path + ": " + f.Describe())
	case f.State == datadir.Missing && !r.Project.KeepCompose:
		return ui.Clean(r.DataName() + ": does not exist") // and is not made
	}
	return ui.Clean(r.DataName() + ": " + f.Describe())
}

func (r Report) writeDiffs(out io.Writer, paint func(ui.Style, string) string) {
	for _, e := range r.Plan.Steps {
		for _, a := range e.Actions {
			if len(a.SQL) > 0 {
				fmt.Fprintf(out, "\n%s (statements, secrets masked)\n", e.ID)
				for _, q := range a.SQL {
					fmt.Fprintf(out, "  %s\n", ui.Clean(q))
				}
			}
		}
		if d := r.diff(e); d != nil {
			r.writeDiff(out, d, paint)
		}
	}
}

// diff is the change of a step's file, nil where it writes none.
func (r Report) diff(s plan.Step) *Diff {
	for i := len(s.Actions) - 1; i >= 0; i-- {
		if f := s.Actions[i].File; f != nil {
			return diffFiles(r.Rel(f.Path), f.Old, f.New)
		}
	}
	return nil
}

func (r Report) writeDiff(out io.Writer, d *Diff, paint func(ui.Style, string) string) {
	fmt.Fprintf(out, "\n%s %s\n", ui.Clean(d.Path), d.Summary)
	for _, l := range strings.Split(strings.TrimRight(ui.CleanLines(r.Secrets.HideText(d.Unified)), "\n"), "\n") {
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

// counts is the last but one line of a plan.
func (r Report) counts() string {
	var parts []string
	for _, c := range []struct {
		o    plan.Outcome
		text string
	}{{plan.Update, "to update"}, {plan.Run, "to run"}, {plan.Noop, "unchanged"}, {plan.Skip, "skipped"}} {
		if n := r.Plan.Count(c.o); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, c.text))
		}
	}
	line := "Plan: " + strings.Join(parts, ", ") + "."
	var words []string
	by := map[drift.Severity]int{}
	for _, d := range drift.Changes(r.Plan.Drifts) {
		by[d.Severity]++
	}
	for _, sev := range []drift.Severity{drift.High, drift.Medium, drift.Low} {
		n := by[sev]
		if n == 0 {
			continue
		}
		w := fmt.Sprintf("%d %s", n, sev)
		if sev == drift.High && r.Plan.Blocking() {
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
