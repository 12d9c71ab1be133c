package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/odpm/odpm/host/apply"
	"github.com/odpm/odpm/host/database"
	"github.com/odpm/odpm/host/look"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/status"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/homedir"
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
		Short: "Look at the cluster and its databases, create the application role",
		Args:  a.commandsOnly, RunE: needsCommand,
	}
	cmd.AddCommand(a.statusCommand(), a.roleCommand(), a.listCommand(), a.verifyCommand(), a.rehearseCommand())
	return cmd
}

func (a *App) statusCommand() *cobra.Command {
	var form string
	cmd := &cobra.Command{
		Use: "status", Short: "Show what is there now: server, role, login, drift", Args: none,
		Long: `Ask the project's PostgreSQL what is there now, and change nothing: the server, the role
that Odoo logs in as, a login as that role, and drift since the last proven login. If the
login is refused, the cause and the command that helps are shown.`,
		Annotations: exits(`  0    shown, whatever was found
  1    failed
  2    usage
`),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts, isJSON, err := a.reading(form)
			if err != nil {
				return err
			}
			end := a.looking()
			st, err := status.New(asking(cmd.Context()), opts.Options)
			end()
			if err != nil {
				return err
			}
			if isJSON {
				return st.WriteJSON(asking(cmd.Context()), a.out)
			}
			a.term.Screen(func(out io.Writer) {
				defer a.looking()()
				st.WriteTable(asking(cmd.Context()), out, a.term.OutColor)
			})
			return nil
		},
	}
	cmd.Flags().StringVar(&form, "format", "table", "print a table, or one object on stdout: `table|json`")
	return cmd
}

func (a *App) roleCommand() *cobra.Command {
	var show bool
	cmd := &cobra.Command{
		Use: "ensure-role", Short: "Create or repair the role that Odoo logs in as", Args: none,
		Long: `Create or repair the role that Odoo logs in as: LOGIN NOSUPERUSER CREATEDB with
the project's password. A second run changes nothing. PostgreSQL is started
if it is not running, and left running.`,
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
				end := a.looking()
				sql, err := roleSQL(asking(cmd.Context()), opts.Options)
				end()
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
		Use: "list", Short: "List the databases: Odoo version, size, owner, file store", Args: none,
		Long: `List all databases of the cluster with Odoo's version, size, owner, file store, the last
backup and the last one that was proven restorable. Nothing is changed.`,
		Annotations: exits(`  0    listed
  1    failed: the server could not be asked
  2    usage
  3    refused: the server running under this name belongs to another directory
`),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts, isJSON, err := a.reading(form)
			if err != nil {
				return err
			}
			end := a.looking()
			all, warnings, err := database.List(asking(cmd.Context()), opts.Options)
			end()
			if err != nil {
				return err
			}
			if isJSON {
				return database.WriteListJSON(a.out, all, warnings)
			}
			for _, w := range warnings {
				a.term.Warn("%s", ui.Clean(w))
			}
			a.term.Screen(func(out io.Writer) { database.WriteList(out, all) })
			return nil
		},
	}
	cmd.Flags().StringVar(&form, "format", "table", "print a table, or one object on stdout: `table|json`")
	return cmd
}

func (a *App) verifyCommand() *cobra.Command {
	var form string
	var anyFiles bool
	cmd := &cobra.Command{
		Use: "verify FILE", Short: "Prove an archive without restoring it",
		Long: `Read every byte of the archive FILE, and say whether it is a complete backup. It needs no
server and writes nothing. A relative name is looked up in BACKUP_DIR, else from here.`,
		Annotations: exits(`  0    the archive is complete, or "database only", which is reported
  1    failed: it could not be read
  2    usage
  3    refused: it is not a complete backup of an Odoo database
`),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return ui.Usagef("verify takes one archive, FILE: odpm database verify FILE")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			isJSON, err := format("--format", form)
			if err != nil {
				return err
			}
			file, err := a.archive(args[0])
			if err != nil {
				return err
			}
			res, err := database.Verify(cmd.Context(), a.term, a.common.progress, file, anyFiles)
			if !isJSON {
				for _, w := range res.Warnings {
					a.term.Warn("%s", ui.Clean(w))
				}
			}
			if err != nil {
				return err
			}
			if isJSON {
				return a.writeJSON(database.VerifiedJSON(res))
			}
			a.term.Screen(func(out io.Writer) { database.WriteVerified(out, res) })
			fmt.Fprintln(a.out, database.Verdict(res))
			return nil
		},
	}
	cmd.Flags().StringVar(&form, "format", "table", "print a table, or one object on stdout: `table|json`")
	cmd.Flags().BoolVar(&anyFiles, "allow-missing-files", false, "accept attachments without their files, as for a restore")
	return cmd
}

// archive finds what --db-restore would: in BACKUP_DIR, then here. Where there is
// no project, there is no BACKUP_DIR.
func (a *App) archive(name string) (string, error) {
	home := homedir.Dir()
	p, err := project.Load(a.common.dir, a.environ, home)
	if err != nil {
		return database.FindArchive(name, "")
	}
	return database.FindArchive(name, p.BackupDir)
}

func (a *App) rehearseCommand() *cobra.Command {
	var form string
	var req database.RehearseRequest
	cmd := &cobra.Command{
		Use: "rehearse [NAME|FILE]", Short: "Prove a backup by restoring it into a hidden database that is dropped again",
		Long: `Prove a backup by restoring it: the given archive, the newest one of a database, or
the newest of all. It is verified, restored into a hidden database with a file
store of its own, compared with the archive row by row count and file by
checksum, and dropped again. Nothing of the project is touched. A receipt in
.odpm/state/receipts remembers what was proven; "database list" and "database
status" show it.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return ui.Usagef("rehearse takes one database NAME or one archive FILE: odpm database rehearse [NAME|FILE]")
			}
			return nil
		},
		ValidArgsFunction: a.completeBackups,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts, isJSON, err := a.reading(form)
			if err != nil {
				return err
			}
			if len(args) > 0 {
				req.What = args[0]
			}
			res, err := database.Rehearse(cmd.Context(), opts, req)
			if err != nil {
				return err
			}
			if isJSON {
				return a.writeJSON(res)
			}
			a.term.Screen(func(out io.Writer) { database.WriteRehearsed(out, res, req.Major) })
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&form, "format", "table", "print a table, or one object on stdout: `table|json`")
	f.IntVar(&req.Major, "major", 0, "restore into a throwaway cluster of PostgreSQL's major `N`")
	f.StringVar(&req.BinDir, "pg-bindir", "", "the directory `DIR` with that major's programs")
	f.StringVar(&req.Image, "pg-image", "", "run that cluster in a container of `IMAGE` (default: postgres:N, in a Docker project or if this machine has no programs of that major)")
	f.BoolVar(&req.Odoo, "run-odoo", false, "neutralize it, and have the project's Odoo update the module base in it")
	f.BoolVar(&req.AnyFiles, "allow-missing-files", false, "accept attachments without their files, as for a restore")
	f.BoolVar(&req.AnyConstraints, "allow-broken-constraints", false, "leave out what the rows break, as for a restore")
	f.StringSliceVar(&req.AsAdmin, "as-admin", nil, "have the administrator create these `EXTENSIONS`, as for a restore")
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
