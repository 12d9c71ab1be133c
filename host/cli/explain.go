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
	return &cobra.Command{
		Use: "explain KIND|CODE", Short: "Explain a kind of drift, a refusal or an error, and what to do first",
		Long: `Explain a kind of drift, or the code of a refusal or an error: what it means, what
can be lost, and what to do first. In a project its own values are shown. Without
an argument all codes are listed. Nothing is written or started.`,
		Example:           "  odpm explain data_path",
		Annotations:       exits("  0    explained\n  2    usage: there is no such code\n"),
		ValidArgsFunction: cobra.FixedCompletions(codes.Names(), cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch len(args) {
			case 0:
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
			a.term.Screen(func(out io.Writer) { a.explain(asking(cmd.Context()), out, e) })
			return nil
		},
	}
}

// explain prints an entry. A project that cannot be read is no reason not to.
func (a *App) explain(ctx context.Context, out io.Writer, e codes.Entry) {
	p := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
	p("%s", e.Code)
	p("%s", wording.Wrap(e.Means, a.term.Width, "  "))
	p("")
	p("What can be lost:")
	p("%s", wording.Wrap(e.Lost, a.term.Width, "  "))
	if here := a.here(ctx, e.Code); len(here) > 0 {
		p("")
		p("In this project now:")
		for _, line := range here {
			p("  %s", ui.Clean(a.secrets.Hide(line)))
		}
	}
	p("")
	p("First:")
	for _, f := range e.First {
		p("  %s", f)
	}
}

// here are the project's own values for a code; nil where there is no project.
func (a *App) here(ctx context.Context, code codes.Code) []string {
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
		return []string{"This does not apply."}
	}
	return out
}
