package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/snapshot"
)

// maxMarkdown bounds the diffs in a comment: GitHub takes 65,536 characters.
const maxMarkdown = 50_000

// WriteMarkdown shows the plan as a comment on a merge request, in GitHub's and
// GitLab's Markdown. What comes from files, servers and drifts stands in code
// spans and blocks, where neither a table nor a mention nor HTML is read.
func (r Report) WriteMarkdown(out io.Writer, diffs bool) {
	out = r.Secrets.Writer(out)
	p := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
	drifts := drift.Changes(r.Plan.Drifts)
	p("### %s", r.headline(drifts))
	p("")
	p("%s", r.counts())
	if len(drifts) > 0 {
		p("")
		p("| severity | drift | last proven login, %s | now |", snapshot.Stamp(r.World.Snapshot.RecordedAt))
		p("|---|---|---|---|")
		for _, d := range drifts {
			severity := string(d.Severity)
			switch {
			case r.Plan.Accepted[d.Kind]:
				severity += ", accepted"
			case d.Blocking():
				severity = "**" + severity + "**, blocks the start"
			}
			p("| %s | `%s` | %s | %s |", severity, d.Kind, cell(d.Previous), cell(d.Current))
		}
	}
	if r.Plan.Changes() {
		p("")
		p("| action | required | step | reason |")
		p("|---|---|---|---|")
		for _, s := range r.Plan.Steps {
			if s.Outcome == plan.Run || s.Outcome == plan.Update {
				p("| %s | %s | `%s` | %s |", s.Outcome, yesNo(s.Required), s.ID, cell(s.Reason))
			}
		}
	}
	r.markdownBaseline(p)
	for _, refusal := range r.Plan.Refusals {
		p("\n**A run would be refused:**\n\n%s", block("text", refusal.Err.Error()))
	}
	if len(r.Plan.Warnings) > 0 {
		p("\n**Warnings:**\n\n%s", block("text", strings.Join(r.Plan.Warnings, "\n")))
	}
	if diffs {
		r.markdownDiffs(p)
	}
	p("\nNothing was written or started. `odpm explain KIND` says what a drift of the kind KIND means.")
}

func (r Report) headline(drifts []drift.Drift) string {
	switch {
	case r.Plan.Blocking():
		return "odpm: drift blocks the start"
	case len(r.Plan.Refusals) > 0:
		return "odpm: a run would be refused"
	case len(drifts) > 0:
		return "odpm: drift"
	case r.Plan.Changes():
		return "odpm: changes"
	}
	return "odpm: no changes"
}

func (r Report) markdownBaseline(p func(string, ...any)) {
	all := r.Compared()
	if all == nil {
		return
	}
	p("\n| proven elsewhere, %s | state | there | here |", ui.Clean(r.Baseline.ProvenAt))
	p("|---|---|---|---|")
	for _, c := range all {
		state := c.State
		if state == differs {
			state = "**" + state + "**"
		}
		p("| `%s` | %s | %s | %s |", c.Member, state, cell(c.Proven), cell(c.Here))
	}
}

func (r Report) markdownDiffs(p func(string, ...any)) {
	room := maxMarkdown
	for _, s := range r.Plan.Steps {
		for _, a := range s.Actions {
			if len(a.SQL) > 0 {
				p("\n<details><summary>%s: statements, secrets masked</summary>\n\n%s\n</details>", s.ID, block("sql", strings.Join(a.SQL, "\n")))
			}
		}
		d := r.diff(s)
		if d == nil {
			continue
		}
		text := strings.TrimRight(r.Secrets.HideText(d.Unified), "\n")
		if room -= len(text); room < 0 {
			text = "too long for a comment; see: odpm plan --plan-show-diff"
		}
		p("\n<details><summary><code>%s</code> %s</summary>\n\n%s\n</details>", html(d.Path), d.Summary, block("diff", text))
	}
}

// cell is a value in a table. A pipe ends a cell in a code span too.
func cell(text string) string {
	text = strings.ReplaceAll(ui.Clean(text), "|", `\|`)
	if strings.TrimSpace(text) == "" {
		return ""
	}
	fence := strings.Repeat("`", longestRun(text)+1)
	if len(fence) > 1 || strings.HasPrefix(text, " ") {
		return fence + " " + text + " " + fence
	}
	return fence + text + fence
}

// block is text of several lines.
func block(language, text string) string {
	fence := strings.Repeat("`", max(3, longestRun(text)+1))
	return fence + language + "\n" + strings.TrimRight(ui.CleanLines(text), "\n") + "\n" + fence
}

// longestRun is of backticks: a fence must be longer.
func longestRun(text string) int {
	longest, run := 0, 0
	for _, r := range text {
		if r != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

var html = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace
