package cli

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/odpm/odpm/host/setup"
	"github.com/odpm/odpm/host/ui"
)

func (a *App) initCommand() *cobra.Command {
	var from, form string
	first := setup.First{}
	cmd := &cobra.Command{
		Use: "init", Short: "Write a first .env, odpm.json and odoo.conf", Args: none,
		Annotations: exits(`  0    the files are there
  1    a file could not be written
  2    usage
  3    refused: the port given with --port is in use, or odpm cannot continue from that compose file
`),
		Long: `Write a first .env, odpm.json, odoo.conf and .gitignore, so that "odpm" works, with
ports that are free on this machine. Files that exist are never changed, except that
.gitignore gets lines that it lacks. With --from-compose the answers come from somebody's
compose file: the same data directory, port, names and user are kept, and what
odpm's own file has no place for goes into docker-compose.override.yml.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			isJSON, err := textOrJSON(form)
			if err != nil {
				return err
			}
			opts, err := a.options()
			if err != nil {
				return err
			}
			if opts.Dir == "." {
				if opts.Dir, err = os.Getwd(); err != nil {
					return err
				}
			}
			if from != "" {
				for _, name := range []string{"odoo", "postgres", "port"} {
					if cmd.Flags().Changed(name) {
						return ui.Usagef("--%s and --from-compose: the compose file says it already; give one of the two", name)
					}
				}
			}
			cmd.Flags().Visit(func(f *pflag.Flag) { first.Said = append(first.Said, f.Name) })
			rep, err := setup.Init(cmd.Context(), opts, first, from)
			if isJSON && err == nil {
				return a.writeJSON(initJSON(rep))
			}
			if !isJSON {
				a.sayInit(rep, from != "")
			}
			return err
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&first.Odoo, "odoo", "18.0", "Odoo's `VERSION`")
	f.StringVar(&first.Postgres, "postgres", "17", "PostgreSQL's `VERSION`, a tag of the postgres image")
	f.IntVar(&first.Port, "port", 0, "Odoo's `PORT` on this machine; without it odoo.conf's, else 8069, or the next that is free")
	f.StringVar(&form, "format", "text", "`text|json`: what was written, as messages or as one object on stdout")
	f.StringVar(&from, "from-compose", "", "propose the settings from the compose file `FILE`")
	return cmd
}

// sayInit tells a person what was written. adopted: the answers are those of
// somebody's compose file, and what they would have been is worth seeing.
func (a *App) sayInit(rep setup.Report, adopted bool) {
	for _, f := range rep.Files {
		switch f.Change {
		case setup.Merged:
			a.term.Say("%s gets the settings that odpm's own docker-compose.yml cannot hold:\n%s", f.Name, f.Detail)
		case setup.Extended:
			a.term.Say("%s gets what it lacks:\n%s", f.Name, f.Detail)
		case setup.Complete:
			a.term.Say("%s already has everything", f.Name)
			continue
		case setup.Left:
			a.term.Say("%s exists and is left as it is", f.Name)
			if adopted {
				a.term.Say("odpm would have written:\n%s", f.Detail)
			}
			continue
		}
		a.term.Say("%s written", f.Name)
	}
	for _, line := range rep.Notes {
		a.term.Say("%s", line)
	}
	switch {
	case !rep.Wrote():
	case adopted:
		a.term.Say("Check them, then run: odpm plan --replace-compose, and then: odpm --replace-compose")
	default:
		a.term.Say("Check them, then run: odpm plan")
	}
}
