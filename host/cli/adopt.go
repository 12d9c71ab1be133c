package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/setup"
	"github.com/odpm/odpm/host/ui"
)

func (a *App) adoptCommand() *cobra.Command {
	var what setup.Adoption
	var undo, skipStart bool
	cmd := &cobra.Command{
		Use: "adopt [COMPOSE-FILE]", Short: "Take over somebody's stack, up to a proven login",
		Annotations: exits(`  0    the new login is proven, or --undo brought the old stack back
  1    something failed; odpm adopt --undo brings the old stack back
  2    usage
  3    refused: an answer is missing, or the new stack would lack data
`),
		Long: `Take over a stack that was made with another compose file: show one plan, ask
once, and do all of it. Settings are written, the file store is copied where it is in a volume,
the old file is kept under a dated name, everything is started, and Odoo's login is
proven. With --keep the file stays, and odpm adds an overlay. Until the login is
proven, "odpm adopt --undo" brings the old stack back.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return ui.Usagef("one compose file at a time; if there are several, list them in COMPOSE_FILE in .env and add --keep")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			opts, err := a.options()
			if err != nil {
				return err
			}
			if opts.Dir == "." {
				if opts.Dir, err = os.Getwd(); err != nil {
					return err
				}
			}
			if undo {
				if len(args) > 0 || what != (setup.Adoption{}) {
					return ui.Usagef("--undo cannot be combined with other flags or a file")
				}
				return setup.Undo(cmd.Context(), opts)
			}
			if len(args) > 0 {
				what.File = args[0]
			}
			opts.Want.Goal = plan.Odoo
			if skipStart {
				opts.Want.Goal = plan.Files
			}
			url, err := setup.Adopt(cmd.Context(), opts, what)
			if err == nil && url != "" {
				fmt.Fprintln(a.out, url)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&undo, "undo", false, "bring the old stack back")
	f.BoolVar(&what.Keep, "keep", false, "keep the file as it is, and add an overlay (ODPM_COMPOSE=keep)")
	f.StringVar(&what.Postgres, "postgres-service", "", "PostgreSQL's `SERVICE`, if several could be it")
	f.StringVar(&what.Odoo, "odoo-service", "", "Odoo's `SERVICE`, if several could be it")
	f.StringVar(&what.Version, "odoo-version", "", "Odoo's `VERSION`, if neither the file, the Dockerfile nor the image says it")
	f.StringVar(&what.PostgresVersion, "postgres-version", "", "PostgreSQL's major `VERSION`, if neither the file, the Dockerfile nor the image says it")
	f.BoolVar(&what.External, "external", false, "PostgreSQL runs elsewhere")
	f.BoolVar(&skipStart, "skip-start", false, "do everything but start; the next odpm adopt starts")
	f.BoolVar(&what.Yes, "yes", false, "ask nothing")
	return cmd
}
