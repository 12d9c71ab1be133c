package cli

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/odpm/odpm/host/setup"
)

func (a *App) initCommand() *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use: "init", Short: "Write a first .env, odpm.json and odoo.conf", Args: none,
		Annotations: exits(`  0    the files are there
  1    a file could not be written
  2    usage
  3    refused: odpm cannot continue from that compose file
`),
		Long: `Write a first .env, odpm.json and odoo.conf, so that "odpm" works. Files that
exist are never changed. With --from-compose the answers come from somebody's
compose file: the same data directory, port, names and user go on, and what
odpm's own file has no place for goes into docker-compose.override.yml.`,
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
			return setup.Init(cmd.Context(), opts, from)
		},
	}
	cmd.Flags().StringVar(&from, "from-compose", "", "propose the settings from this compose file")
	return cmd
}
