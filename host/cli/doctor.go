package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/ui"
)

func (a *App) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "What is missing on this machine and in this project", Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts, err := a.options()
			if err != nil {
				return err
			}
			bad := 0
			for _, f := range plan.Examine(cmd.Context(), opts) {
				word := ui.Paint(a.term.OutColor, ui.Green, "ok     ")
				switch f.Level {
				case plan.Missing:
					word = ui.Paint(a.term.OutColor, ui.Red, "missing")
					bad++
				case plan.Note:
					word = ui.Paint(a.term.OutColor, ui.Yellow, "note   ")
				}
				fmt.Fprintf(a.out, "%s  %s\n", word, ui.CleanLines(f.Text))
			}
			if bad > 0 {
				return Outcome(1)
			}
			return nil
		},
	}
}

func (a *App) initCommand() *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use: "init", Short: "Write a first .env, odpm.json and odoo.conf", Args: none,
		Long: `Write a first .env, odpm.json and odoo.conf, so that "odpm" works. Files that
exist are never changed. With --from-compose the answers come from somebody's
compose file: the same data directory, port, names and user go on.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts, err := a.options()
			if err != nil {
				return err
			}
			if opts.Dir == "." {
				if opts.Dir, err = os.Getwd(); err != nil {
					return err
				}
			}
			return plan.Init(cmd.Context(), opts, from)
		},
	}
	cmd.Flags().StringVar(&from, "from-compose", "", "propose the settings from this compose file")
	return cmd
}
