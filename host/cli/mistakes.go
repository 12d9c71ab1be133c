package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/wording"
)

// names are a command's own commands.
func names(cmd *cobra.Command) []string {
	var out []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			out = append(out, sub.Name())
		}
	}
	return out
}

// commandsOnly is for a command that has commands and takes no other word.
func (a *App) commandsOnly(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return a.noCommand(cmd.CommandPath(), args[0])
	}
	return nil
}

// needsCommand is what such a command does by itself.
func needsCommand(cmd *cobra.Command, _ []string) error {
	return ui.Usagef("%s needs a command: %s", cmd.CommandPath(), strings.Join(names(cmd), ", "))
}

// otherTools are the words of docker compose, pg_ctl and their kind, and of what
// odpm does with flags: what is meant, and what for.
var otherTools = map[string]struct{ meant, of string }{
	"up": {"odpm", ""}, "start": {"odpm", ""}, "apply": {"odpm", ""}, "down": {"odpm stop", ""}, "restart": {"odpm stop", ""},
	"diff": {"odpm plan --show-diff", ""}, "ls": {"odpm database list", ""}, "ps": {"odpm database status", ""},
	"import": {"odpm adopt", ""}, "takeover": {"odpm adopt", ""},
	"backup":  {"odpm -d NAME --db-backup", "for a database NAME"},
	"dump":    {"odpm -d NAME --db-backup", "for a database NAME"},
	"restore": {"odpm -d NAME --db-restore FILE", "for a database NAME from an archive FILE"},
	"drop":    {"odpm -d NAME --db-drop", "for a database NAME"},
	"install": {"odpm -d NAME -i MODULES", "for a database NAME with MODULES"},
	"update":  {"odpm -d NAME -u MODULES", "for a database NAME with MODULES"},
	"upgrade": {"odpm -d NAME -u MODULES", "for a database NAME with MODULES"},
}

// noCommand is for a word that is none: of the command before it, or of any. Who
// types "odpm list" means "odpm database list".
func (a *App) noCommand(path, word string) error {
	if near := pythonCommands[word]; near != "" {
		return ui.Usagef("%q is a command of Python odpm; the nearest here: %s", word, filledIn(near))
	}
	what := ui.Usagef("%q is not a command of %s; see: %s --help", word, path, path)
	if other, ok := otherTools[word]; ok {
		of := other.of
		if of != "" {
			of = ", " + of
		}
		return ui.Usagef("%w\nDid you mean%s: %s", what, of, other.meant)
	}
	var best []string
	for _, cmd := range all(a.root) {
		if cmd.IsAvailableCommand() && cmd.HasParent() && (cmd.Parent().Name() != "completion" || path == "odpm completion") && wording.Nearest(word, []string{cmd.Name()}) != "" {
			best = append(best, cmd.CommandPath())
		}
	}
	if len(best) == 0 {
		return what
	}
	return ui.Usagef("%w\nDid you mean: %s", what, strings.Join(best, "  or  "))
}

// allowedFor is what a flag of a type takes.
func allowedFor(kind string) string {
	switch kind {
	case "bool":
		return "true, false"
	case "int":
		return "a whole number"
	}
	return "a " + kind
}

// emptyValue refuses a value that is empty: in a script it is a variable that is
// not set, and the command would work in another place, or on everything.
func emptyValue(cmd *cobra.Command, args []string) error {
	if cmd.DisableFlagParsing {
		return nil // completion: what is being typed
	}
	var err error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand
		}
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		if err == nil && slices.Contains(values, "") {
			err = ui.Usagef("%s: the value is empty", name)
		}
	})
	if err == nil && slices.Contains(args, "") {
		err = ui.Usagef("an argument of %s is empty", cmd.CommandPath())
	}
	return err
}

// flagError adds the flag that was probably meant to pflag's own message.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && pythonFlag(unknown.GetSpecifiedName()) != "" {
		return fmt.Errorf("%w%s", err, pythonFlag(unknown.GetSpecifiedName()))
	}
	var alone *pflag.ValueRequiredError
	if errors.As(err, &alone) && pythonFlag(alone.GetSpecifiedName()) != "" {
		// Python odpm's takes no value.
		return fmt.Errorf("%w%s", err, pythonFlag(alone.GetSpecifiedName()))
	}
	var bad *pflag.InvalidValueError
	if errors.As(err, &bad) {
		// pflag's own message has that of package strconv in it.
		flag := bad.GetFlag()
		return fmt.Errorf("--%s: %q; allowed: %s", flag.Name, bad.GetValue(), allowedFor(flag.Value.Type()))
	}
	if !errors.As(err, &unknown) || len(unknown.GetSpecifiedName()) < 2 {
		return err
	}
	var flags []string
	see := func(f *pflag.Flag) { flags = append(flags, "--"+f.Name) }
	if cmd.Name() == "plan" {
		for _, name := range planShort {
			flags = append(flags, "--"+name)
		}
	}
	cmd.Flags().VisitAll(see)
	cmd.InheritedFlags().VisitAll(see)
	return fmt.Errorf("%w%s", err, wording.DidYouMean("--"+unknown.GetSpecifiedName(), flags))
}
