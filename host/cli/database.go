package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/odpm/odpm/host/apply"
	"github.com/odpm/odpm/host/database"
	"github.com/odpm/odpm/host/look"
	"github.com/odpm/odpm/host/status"
	"github.com/odpm/odpm/host/ui"
)

func none(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return ui.Usagef("%q: %s takes no arguments; see: %s --help", args[0], cmd.CommandPath(), cmd.CommandPath())
	}
	return nil
}

func (a *App) databaseCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "database",
		Short: "Look at the cluster and its databases, make the application role",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return a.noCommand(cmd.CommandPath(), args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ui.Usagef("odpm database needs a command: %s", strings.Join(names(cmd), ", "))
		},
	}
	cmd.AddCommand(a.statusCommand(), a.roleCommand(), a.listCommand(), a.verifyCommand())
	return cmd
}

func (a *App) statusCommand() *cobra.Command {
	var form string
	cmd := &cobra.Command{
		Use: "status", Short: "What is there, asked live: server, role, login, drift", Args: none,
		Annotations: exits(`  0    shown, whatever was found
  1    failed
  2    usage
`),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts, isJSON, err := a.reading(form)
			if err != nil {
				return err
			}
			st, err := status.New(asking(cmd.Context()), opts.Options)
			if err != nil {
				return err
			}
			if isJSON {
				return st.WriteJSON(asking(cmd.Context()), a.out)
			}
			st.WriteTable(asking(cmd.Context()), a.out, a.term.OutColor)
			return nil
		},
	}
	cmd.Flags().StringVar(&form, "format", "table", "table or json")
	return cmd
}

func (a *App) roleCommand() *cobra.Command {
	var show bool
	cmd := &cobra.Command{
		Use: "ensure-role", Short: "Create or repair the role that Odoo logs in as", Args: none,
		Long: `Create or repair the role that Odoo logs in as: LOGIN NOSUPERUSER CREATEDB with
the project's password. A second run changes nothing. PostgreSQL is started
where it does not run, and left running.`,
		Annotations: exits(`  0    the role is as the project wants it; with --show-sql: shown
  1    failed
  2    usage
  3    refused: odpm does not touch that cluster unasked
`),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts, err := a.options()
			if err != nil {
				return err
			}
			if show {
				sql, err := roleSQL(asking(cmd.Context()), opts.Options)
				if err != nil {
					return err
				}
				for _, q := range sql {
					fmt.Fprintln(a.out, ui.Clean(a.secrets.Hide(q)))
				}
				if len(sql) == 0 {
					a.term.Say("odpm: nothing to do; the role is as the project wants it")
				}
				return nil
			}
			rep, err := apply.EnsureRole(cmd.Context(), opts)
			if err != nil {
				return err
			}
			if !rep.Changed {
				fmt.Fprintln(a.out, "The role is as the project wants it; nothing was changed.")
				return nil
			}
			for _, line := range rep.Done {
				fmt.Fprintln(a.out, ui.Clean(a.secrets.Hide(line)))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&show, "show-sql", false, "print the statements that would run, secrets masked; change nothing")
	return cmd
}

// roleSQL is what ensure-role would run; nothing is started or changed.
func roleSQL(ctx context.Context, o look.Options) ([]string, error) {
	v, err := look.At(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := v.Answers("what the cluster lacks can only be read from it"); err != nil {
		return nil, err
	}
	return v.RoleSQL(ctx)
}

func (a *App) listCommand() *cobra.Command {
	var form string
	cmd := &cobra.Command{
		Use: "list", Short: "List the databases: Odoo version, size, owner, filestore", Args: none,
		Annotations: exits(`  0    listed
  1    failed: the server could not be asked
  2    usage
`),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts, isJSON, err := a.reading(form)
			if err != nil {
				return err
			}
			all, err := database.List(asking(cmd.Context()), opts.Options)
			if err != nil {
				return err
			}
			if isJSON {
				return database.WriteListJSON(a.out, all)
			}
			database.WriteList(a.out, all)
			return nil
		},
	}
	cmd.Flags().StringVar(&form, "format", "table", "table or json")
	return cmd
}

func (a *App) verifyCommand() *cobra.Command {
	var form string
	var anyFiles bool
	cmd := &cobra.Command{
		Use: "verify FILE", Short: "Prove an archive without restoring it",
		Annotations: exits(`  0    the archive is complete
  1    it is not, or could not be read
  2    usage
`),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return ui.Usagef("verify takes one archive: odpm database verify FILE")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			isJSON, err := format("--format", form)
			if err != nil {
				return err
			}
			res, err := database.Verify(cmd.Context(), a.term, a.common.progress, args[0], anyFiles)
			if !isJSON {
				for _, w := range res.Warnings {
					a.term.Warn("%s", ui.Clean(w))
				}
			}
			if err != nil {
				return err
			}
			if isJSON {
				enc := json.NewEncoder(a.out)
				enc.SetIndent("", "  ")
				return enc.Encode(database.VerifiedJSON(res))
			}
			database.WriteVerified(a.out, res)
			fmt.Fprintln(a.out, "The archive is complete.")
			return nil
		},
	}
	cmd.Flags().StringVar(&form, "format", "table", "table or json")
	cmd.Flags().BoolVar(&anyFiles, "allow-missing-files", false, "attachments may lack their files, as for a restore")
	return cmd
}

// reading is what commands that only look have in common.
func (a *App) reading(form string) (opts apply.Options, isJSON bool, err error) {
	if isJSON, err = format("--format", form); err != nil {
		return opts, isJSON, err
	}
	opts, err = a.options()
	return opts, isJSON, err
}
