package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/odpm/odpm/host/apply"
)

func (a *App) stopCommand() *cobra.Command {
	return &cobra.Command{
		Use: "stop", Short: "Stop what runs for this project: Odoo, then PostgreSQL", Args: none,
		Long: `Stop what runs for this project, PostgreSQL last: the containers of its compose
stack, or, without Docker, Odoo and the server that odpm started. Data, containers
and volumes stay; "odpm" starts them again. An external server is left alone.`,
		Annotations: exits("  0    nothing runs any more\n  1    failed: something is still running\n  2    usage\n  3    refused: what runs under this name was started in another directory\n"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts, err := a.options()
			if err != nil {
				return err
			}
			end := a.term.Working("stopping what runs for this project")
			stopped, err := apply.Stop(cmd.Context(), opts)
			end()
			if len(stopped) > 0 {
				a.term.Note("odpm: stopped: %s", strings.Join(stopped, ", "))
			} else if err == nil {
				a.term.Note("odpm: nothing runs for this project")
			}
			return err
		},
	}
}
