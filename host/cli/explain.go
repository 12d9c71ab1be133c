package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/look"
	"github.com/odpm/odpm/host/report"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/wording"
)

func (a *App) explainCommand() *cobra.Command {
	var form string
	cmd := &cobra.Command{
		Use: "explain KIND|CODE", Short: "Explain a kind of drift, a refusal or an error, and what to do first",
		Long: `Explain a kind of drift, or the code of a refusal or an error: what it means, what
can be lost, and what to do first. In a project its own values are shown. Without
an argument all codes are listed. Nothing is written or started.`,
		Example:           "  odpm explain data_path",
		Annotations:       exits("  0    explained\n  2    usage: there is no such code\n"),
		ValidArgsFunction: cobra.FixedCompletions(codes.Names(), cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			isJSON, err := textOrJSON(form)
			if err != nil {
				return err
			}
			switch len(args) {
			case 0:
				if isJSON {
					return a.writeJSON(a.explainJSON(codes.Entries))
				}
				for _, name := range codes.Names() {
					fmt.Fprintln(a.out, name)
				}
				return nil
			case 1:
			default:
				return ui.Usagef("explain takes one KIND or CODE: odpm explain KIND|CODE")
			}
			e, ok := codes.Find(args[0])
			if !ok {
				if near := wording.Nearest(args[0], codes.Names()); near != "" {
					return ui.Usagef("%q is not a code; see: odpm explain\nDid you mean: odpm explain %s", args[0], near)
				}
				return ui.Usagef("%q is not a code; see: odpm explain", args[0])
			}
			here, applies := a.here(asking(cmd.Context()), e.Code)
			if isJSON {
				doc := a.explainJSON([]codes.Entry{e})
				if len(here) > 0 {
					doc.Codes[0].Project = &appliesDoc{applies, here}
				}
				return a.writeJSON(doc)
			}
			a.term.Screen(func(out io.Writer) { a.explain(out, e, here) })
			return nil
		},
	}
	cmd.Flags().StringVar(&form, "format", "text", "`text|json`: a page, or one object on stdout; without a code json has the pages of all codes")
	return cmd
}

// explain prints an entry, and the lines of here.
func (a *App) explain(out io.Writer, e codes.Entry, here []string) {
	p := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
	p("%s", e.Code)
	p("%s", wording.Wrap(e.Means, a.term.Width, "  "))
	p("")
	p("What can be lost:")
	p("%s", wording.Wrap(e.Lost, a.term.Width, "  "))
	if len(here) > 0 {
		p("")
		p("In this project now:")
		for _, line := range here {
			p("  %s", line)
		}
	}
	p("")
	p("First:")
	for _, f := range e.First {
		p("  %s", f)
	}
}

// here are the project's own values for a code, secrets masked, and whether it
// applies; nil where there is no project. One that cannot be read is no reason not
// to explain.
func (a *App) here(ctx context.Context, code codes.Code) (lines []string, applies bool) {
	found := a.found(ctx, code)
	for _, line := range found {
		lines = append(lines, ui.Clean(a.secrets.Hide(line)))
	}
	return lines, len(found) > 0 && found[0] != notHere
}

// notHere is what found says of a project to which a code does not apply.
const notHere = "This does not apply."

func (a *App) found(ctx context.Context, code codes.Code) []string {
	opts, err := a.options()
	if err != nil {
		return nil
	}
	end := a.looking()
	v, err := look.At(ctx, opts.Options)
	end()
	if err != nil {
		if report.CodeOf(err, "") == code {
			return strings.Split(err.Error(), "\n")
		}
		return nil
	}
	var out []string
	for _, d := range v.Plan.Drifts {
		if string(d.Kind) == string(code) {
			out = append(out, fmt.Sprintf("previous: %s", d.Previous), fmt.Sprintf("current:  %s", d.Current))
			if v.Plan.Accepted[d.Kind] {
				out = append(out, "It is accepted until the next proven login.")
			}
		}
	}
	for _, r := range v.Plan.Refusals {
		if report.CodeOf(r.Err, "") == code {
			out = append(out, strings.Split(r.Err.Error(), "\n")...)
		}
	}
	if len(out) == 0 {
		return []string{notHere}
	}
	return out
}
