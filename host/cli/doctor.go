package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/odpm/odpm/host/setup"
	"github.com/odpm/odpm/host/ui"
)

func (a *App) doctorCommand() *cobra.Command {
	var form string
	cmd := &cobra.Command{
		Use: "doctor", Short: "What is missing on this machine and in this project", Args: none,
		Annotations: exits(`  0    nothing is missing
  1    something is missing, or could not be looked at
  2    usage
`),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts, isJSON, err := a.reading(form)
			if err != nil {
				return err
			}
			findings := setup.Examine(asking(cmd.Context()), opts.Options)
			if isJSON {
				if err := a.writeJSON(a.doctorJSON(findings)); err != nil {
					return err
				}
			}
			bad := 0
			for _, f := range findings {
				word := ui.Paint(a.term.OutColor, ui.Green, "ok     ")
				switch f.Level {
				case setup.Missing:
					word = ui.Paint(a.term.OutColor, ui.Red, "missing")
					bad++
				case setup.Note:
					word = ui.Paint(a.term.OutColor, ui.Yellow, "note   ")
				}
				if isJSON {
					continue
				}
				a.term.Screen(func(out io.Writer) { fmt.Fprintf(out, "%s  %s\n", word, ui.CleanLines(a.secrets.Hide(f.Text))) })
			}
			if bad > 0 {
				return Outcome(1)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&form, "format", "table", "table or json")
	return cmd
}
