package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/look"
	"github.com/odpm/odpm/host/report"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/wording"
)

func (a *App) explainCommand() *cobra.Command {
	var form string
	cmd := &cobra.Command{
		Use: "explain [KIND|CODE]...", Short: "Explain a kind of drift, a refusal or an error, and what to do first",
		Long: `Explain a kind of drift, or the code of a refusal or an error: what it means, what
can be lost, and what to do first. Inside a project its own values are shown. The
last line of a refusal names its code. Without an argument all codes are listed.
Nothing is written or started.`,
		Example:           "  odpm explain data_path",
		Annotations:       exits("  0    explained\n  2    usage: there is no such code\n"),
		ValidArgsFunction: cobra.FixedCompletions(codes.Names(), cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			isJSON, err := textOrJSON(form)
			if err != nil {
				return err
			}
			entries := codes.Entries
			if len(args) > 0 {
				if entries, err = named(args); err != nil {
					return err
				}
			}
			switch {
			case isJSON && len(args) == 0:
				return a.writeJSON(a.explainJSON(entries))
			case len(args) == 0:
				a.term.Screen(func(out io.Writer) { listCodes(out, entries) })
				return nil
			}
			doc := a.explainJSON(entries)
			for i, e := range entries {
				here, applies := a.here(asking(cmd.Context()), e.Code)
				if len(here) > 0 {
					doc.Codes[i].Project = &appliesDoc{applies, here}
				}
				if isJSON {
					continue
				}
				a.term.Screen(func(out io.Writer) {
					if i > 0 {
						fmt.Fprintln(out)
					}
					a.explain(out, e, here)
				})
			}
			if isJSON {
				return a.writeJSON(doc)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&form, "format", "text", "`text|json`: a page, or one object on stdout; without a code json has the pages of all codes")
	return cmd
}

// named are the entries of codes, in the order in which they were typed.
func named(args []string) (entries []codes.Entry, err error) {
	for _, name := range args {
		e, ok := codes.Find(name)
		if !ok {
			if near := wording.Nearest(name, codes.Names()); near != "" {
				return nil, ui.Usagef("%q is not a code; see: odpm explain\nDid you mean: odpm explain %s", name, near)
			}
			return nil, ui.Usagef("%q is not a code; see: odpm explain", name)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// listCodes prints all codes, each with the first sentence of what it means. Kinds of
// drift come first in codes.Entries.
func listCodes(out io.Writer, entries []codes.Entry) {
	width := 0
	for _, e := range entries {
		width = max(width, len(e.Code))
	}
	fmt.Fprintln(out, "Kinds of drift:")
	for i, e := range entries {
		if i == len(drift.Kinds()) {
			fmt.Fprintln(out, "\nRefusals and errors:")
		}
		fmt.Fprintf(out, "  %-*s  %s\n", width, e.Code, e.Brief())
	}
	fmt.Fprintln(out, "\nTo read more about one of them, for example: odpm explain data_path")
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
