package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/ui"
)

// WriteDrifts shows drifts to a person, and what each asks for.
func WriteDrifts(out io.Writer, color bool, drifts []drift.Drift, accepted drift.Accepted) {
	paint := func(style ui.Style, text string) string { return ui.Paint(color, style, text) }
	width := 0
	for _, d := range drifts {
		width = max(width, len(d.Kind))
	}
	for _, d := range drifts {
		word := fmt.Sprintf("%-6s", d.Severity)
		switch d.Severity {
		case drift.High:
			word = paint(ui.Red, word)
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
		case accepted[d.Kind]:
			fmt.Fprintf(out, "%sAccepted.\n", indent)
		case d.Kind == drift.DataPath, d.Kind == drift.PostgresMajor:
			fmt.Fprintf(out, "%sBlocks container start. Restore the %s, or pass --accept-database-drift=%s\n", indent,
				map[drift.Kind]string{drift.DataPath: "path", drift.PostgresMajor: "version"}[d.Kind], d.Kind)
		case d.Blocking():
			fmt.Fprintf(out, "%sBlocks container start. %s\n%sPass --accept-database-drift=%s to continue.\n", indent, d.Message, indent, d.Kind)
		default:
			fmt.Fprintf(out, "%s%s\n%sNeeds an answer: --accept-database-drift=%s\n", indent, d.Message, indent, d.Kind)
		}
	}
}

// DriftJSON is a drift in the JSON of a plan and of a status.
type DriftJSON struct {
	Kind       drift.Kind     `json:"kind"`
	Severity   drift.Severity `json:"severity"`
	Previous   string         `json:"previous"`
	Current    string         `json:"current"`
	Blocking   bool           `json:"blocking"`
	Resolvable bool           `json:"resolvable"`
	Message    string         `json:"message"`
}

// DriftsJSON is never nil, so that JSON has a list.
func DriftsJSON(all []drift.Drift) []DriftJSON {
	out := []DriftJSON{}
	for _, d := range all {
		out = append(out, DriftJSON{d.Kind, d.Severity, ui.Clean(d.Previous), ui.Clean(d.Current), d.Blocking(), d.Resolvable, d.Message})
	}
	return out
}
