package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/odpm/odpm/host/apply"
)

func (a *App) stopCommand() *cobra.Command {
	var form string
	cmd := &cobra.Command{
		Use: "stop", Short: "Stop what runs for this project: Odoo, then PostgreSQL", Args: none,
		Long: `Stop what runs for this project, PostgreSQL last: the containers of its compose
stack, or, without Docker, Odoo and the server that odpm started. Data, containers
and volumes stay; "odpm" starts them again. An external server is left alone.`,
		Annotations: exits("  0    nothing is running any more\n  1    failed: something is still running\n  2    usage\n  3    refused: what runs under this name was started in another directory\n"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			isJSON, err := textOrJSON(form)
			if err != nil {
				return err
			}
			opts, err := a.options()
			if err != nil {
				return err
			}
			end := a.term.Working("stopping what runs for this project")
			stopped, err := apply.Stop(cmd.Context(), opts)
			end()
			switch {
			case isJSON && err == nil:
				return a.writeJSON(stopJSON(stopped))
			case len(stopped) > 0 && isJSON:
				// Stdout has an error, which does not say it.
				a.term.Say("odpm: stopped: %s", strings.Join(stopped, ", "))
			case len(stopped) > 0:
				a.term.Note("odpm: stopped: %s", strings.Join(stopped, ", "))
			case err == nil:
				a.term.Note("odpm: nothing is running for this project")
			}
			return err
		},
	}
	cmd.Flags().StringVar(&form, "format", "text", "`text|json`: what was stopped, as a message or as one object on stdout")
	return cmd
}
