package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/report"
	"github.com/odpm/odpm/host/setup"
	"github.com/odpm/odpm/host/ui"
)

func (a *App) doctorCommand() *cobra.Command {
	var form string
	cmd := &cobra.Command{
		Use: "doctor", Short: "Show what is missing on this machine and in this project", Args: none,
		Long: `Examine what a run needs: the project's files, an engine, a checker that fits the image,
ports, permissions and images; for an external PostgreSQL also the server and Odoo's
login. Nothing is written, started or pulled.`,
		Annotations: exits(`  0    nothing is missing
  1    something is missing, could not be examined, or a run would be refused
  2    usage
`),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts, isJSON, err := a.reading(form)
			if err != nil {
				return err
			}
			end := a.looking()
			findings := setup.Examine(asking(cmd.Context()), opts.Options)
			end()
			if isJSON {
				if err := a.writeJSON(a.doctorJSON(findings)); err != nil {
					return err
				}
			}
			if !isJSON {
				a.term.Screen(func(out io.Writer) { a.writeFindings(out, findings) })
			}
			if slices.ContainsFunc(findings, setup.Finding.Bad) {
				return Outcome(1)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&form, "format", "table", "print a table, or one object on stdout: `table|json`")
	return cmd
}

// writeFindings is for a person. All lines of a finding stand in one column.
func (a *App) writeFindings(out io.Writer, findings []setup.Finding) {
	var all []codes.Code
	for _, f := range findings {
		all = append(all, f.Codes...)
		style := ui.Green
		switch {
		case f.Bad():
			style = ui.Red
		case f.Level == setup.Note:
			style = ui.Yellow
		}
		word := ui.Paint(a.term.OutColor, style, fmt.Sprintf("%-7s", f.Level))
		text := strings.ReplaceAll(ui.CleanLines(a.secrets.Hide(f.Text)), "\n", "\n"+strings.Repeat(" ", 9))
		fmt.Fprintf(out, "%s  %s\n", word, text)
	}
	if line := report.ExplainCodes(all); line != "" {
		fmt.Fprintf(out, "\n%s\n", line)
	}
}
