package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/odpm/odpm/host/database"
	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/shared/homedir"
)

// completions complete what only the project knows: kinds, database names,
// archives. They ask no longer than a person waits for a Tab.
func (a *App) completions(root *cobra.Command) {
	fixed := func(words ...string) cobra.CompletionFunc {
		return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return words, cobra.ShellCompDirectiveNoFileComp
		}
	}
	must := func(err error) {
		if err != nil {
			panic(err) // a flag of this file that does not exist
		}
	}
	var kinds []string
	for _, k := range drift.Acceptable() {
		kinds = append(kinds, string(k)+"\t"+string(drift.SeverityOf(k)))
	}
	must(root.RegisterFlagCompletionFunc("accept-database-drift", fixed(kinds...)))
	must(root.RegisterFlagCompletionFunc("color", fixed("auto", "always", "never")))
	must(root.RegisterFlagCompletionFunc("progress", fixed("auto", "tty", "plain", "json")))
	must(root.RegisterFlagCompletionFunc("backup-format", fixed("zip", "dump")))
	must(root.MarkPersistentFlagDirname("directory"))
	must(root.RegisterFlagCompletionFunc("init", a.completeModules))
	must(root.RegisterFlagCompletionFunc("update", a.completeModules))
	for _, cmd := range all(root) {
		for _, name := range []string{"format", "plan-format"} {
			if cmd.Flags().Lookup(name) != nil {
				words := []string{cmd.Flags().Lookup(name).DefValue, "json"}
				if cmd.Name() == "plan" {
					words = planFormats
				}
				must(cmd.RegisterFlagCompletionFunc(name, fixed(words...)))
				break
			}
		}
		for _, name := range []string{"odoo", "odoo-version"} {
			if cmd.Flags().Lookup(name) != nil {
				must(cmd.RegisterFlagCompletionFunc(name, fixed("19.0", "18.0", "17.0", "16.0")))
			}
		}
		for _, name := range []string{"postgres", "postgres-version", "major"} {
			if cmd.Flags().Lookup(name) != nil {
				must(cmd.RegisterFlagCompletionFunc(name, fixed("18", "17", "16", "15", "14", "13", "12")))
			}
		}
		if cmd.Name() == "init" {
			must(cmd.MarkFlagFilename("from-compose", "yml", "yaml"))
		}
		if cmd.Flags().Lookup("pg-bindir") != nil {
			must(cmd.MarkFlagDirname("pg-bindir"))
		}
		switch {
		case strings.HasPrefix(cmd.Use, "verify "):
			cmd.ValidArgsFunction = a.completeArchives
		case cmd.Name() == "adopt":
			cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
				return []string{"yml", "yaml"}, cobra.ShellCompDirectiveFilterFileExt
			}
		case cmd.ValidArgsFunction == nil:
			cmd.ValidArgsFunction = fixed()
		}
	}
	must(root.RegisterFlagCompletionFunc("database", a.completeDatabases))
	must(root.RegisterFlagCompletionFunc("db-restore", a.completeArchives))
	for _, cmd := range all(root) {
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if _, known := cmd.GetFlagCompletionFunc(f.Name); known || f.NoOptDefVal != "" {
				return
			}
			// A number or a name is no file.
			if name, _ := pflag.UnquoteUsage(f); name != "FILE" && name != "DIR" {
				must(cmd.RegisterFlagCompletionFunc(f.Name, fixed()))
			}
		})
	}
}

// all are the commands of a tree.
func all(cmd *cobra.Command) []*cobra.Command {
	out := []*cobra.Command{cmd}
	for _, sub := range cmd.Commands() {
		out = append(out, all(sub)...)
	}
	return out
}

// completeModules offers the project's own; what the image has is known to the
// image alone.
func (a *App) completeModules(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	before := typed[:strings.LastIndex(typed, ",")+1]
	var names []string
	for _, name := range project.Addons(a.common.dir) {
		names = append(names, before+name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (a *App) completeDatabases(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Second)
	defer cancel()
	opts, err := a.options()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	all, _, err := database.List(ctx, opts.Options)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, d := range all {
		if d.IsOdoo {
			names = append(names, d.Name+"\tOdoo "+d.OdooVersion)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeBackups offers archives, and databases, whose newest is meant.
func (a *App) completeBackups(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	archives, what := a.completeArchives(cmd, args, typed)
	if what != cobra.ShellCompDirectiveDefault {
		return archives, what
	}
	databases, _ := a.completeDatabases(cmd, args, typed)
	return append(databases, archives...), what
}

func (a *App) completeArchives(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	if strings.ContainsRune(typed, filepath.Separator) {
		return []string{"zip", "dump"}, cobra.ShellCompDirectiveFilterFileExt
	}
	home := homedir.Dir()
	p, err := project.Load(a.common.dir, a.environ, home)
	if err != nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var names []string
	for _, ext := range []string{".zip", ".dump"} {
		entries, _ := os.ReadDir(p.BackupDir)
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ext) {
				names = append(names, e.Name())
			}
		}
	}
	return names, cobra.ShellCompDirectiveDefault
}
