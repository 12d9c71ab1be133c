// Package cli is the command line: each file parses one verb and calls. There
// is no logic here and nothing global.
package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/odpm/odpm/host/apply"
	"github.com/odpm/odpm/host/drift"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/look"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/report"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/shared/homedir"
	"github.com/odpm/odpm/shared/redact"
	"github.com/odpm/odpm/shared/version"
)

// App is one invocation.
type App struct {
	in, err *os.File
	stdout  *os.File
	// out takes results; it is stdout, and remembers what could not be written.
	out         *ui.Output
	args        []string
	environ     []string
	root        *cobra.Command
	database    *databaseFlags
	term        *ui.Terminal
	interrupted <-chan struct{}
	// secrets are hidden in everything that is shown.
	secrets redact.Values

	common struct {
		dir, color, progress string
		accept               []string
		noInput              bool
		verbose, quiet       bool
		replaceCompose       bool
		skipStart            bool
	}
	// json: the chosen format is JSON, so errors are JSON too.
	json     bool
	detailed bool
}

// Outcome is an exit code that needs no message: everything was shown.
type Outcome int

func (o Outcome) Error() string { return fmt.Sprintf("exit code %d", int(o)) }

// New makes the command line of one run; interrupted is closed on Ctrl-C.
func New(in, out, err *os.File, args, environ []string, interrupted <-chan struct{}) *App {
	a := &App{in: in, stdout: out, out: ui.NewOutput(out), err: err, args: args, environ: environ, interrupted: interrupted}
	a.newTerminal(ui.Options{})
	a.root = a.rootCommand()
	return a
}

func (a *App) newTerminal(o ui.Options) {
	o.Secrets = &a.secrets
	a.term = ui.New(a.in, a.stdout, a.err, o)
	a.term.Out, a.term.Interrupted = a.out, a.interrupted
}

// Command is the tree of commands, for the manual pages and the completions that
// are made from it.
func (a *App) Command() *cobra.Command { return a.root }

// Close ends standard output and gives the first error of writing there.
// Nothing else looks at those errors.
func (a *App) Close() error { return a.out.Close() }

// Say writes a line to the error stream, whatever the format.
func (a *App) Say(err error) { a.term.Fail(err) }

// Run parses and does it.
func (a *App) Run(ctx context.Context) error {
	a.root.SetArgs(joinOptional(a.args, append(names(a.root), "help")))
	a.root.SetOut(a.out)
	a.root.SetErr(a.err)
	// Early, so that an error in the arguments knows the format.
	a.json = slices.ContainsFunc(a.args, func(s string) bool { return s == "--format=json" || s == "--plan-format=json" }) || follows(a.args, "json", "--format", "--plan-format")
	a.detailed = slices.Contains(a.args, "--detailed-exitcode")
	// An error in the arguments knows the colours, too.
	for _, color := range []string{"always", "never"} {
		if slices.Contains(a.args, "--color="+color) || follows(a.args, color, "--color") {
			a.newTerminal(ui.Options{Color: color})
		}
	}
	return a.root.ExecuteContext(ctx)
}

func follows(args []string, value string, flags ...string) bool {
	for i := 1; i < len(args); i++ {
		if args[i] == value && slices.Contains(flags, args[i-1]) {
			return true
		}
	}
	return false
}

// DetailedExitCode tells that 2 means "changes", so that usage is 1.
func (a *App) DetailedExitCode() bool { return a.detailed }

// Fail writes the error that ends the run; in JSON mode as an object on
// stdout, which then holds nothing else.
func (a *App) Fail(err error, kind string) {
	err = ui.WithWay(err, a.common.dir)
	if a.json {
		if a.writeJSON(a.errorJSON(err, kind)) == nil {
			return
		}
	}
	a.term.Fail(err)
	if line := report.Explain(err, kind); line != "" {
		a.term.Say("%s", line)
	}
}

func (a *App) rootCommand() *cobra.Command {
	db := &databaseFlags{}
	var showVersion bool
	a.database = db
	root := &cobra.Command{
		Use:   "odpm",
		Short: "Run Odoo on a PostgreSQL login that is proven, and show drift before anything is written",
		Long: `odpm compares a project with the last proven login, shows drift before anything
is written or started, adopts inherited clusters, writes docker-compose.yml,
starts the stack and waits until Odoo's login is proven.

  odpm                    plan, resolve drift, adopt, write, start, prove
  odpm plan               show what that would do; writes nothing
  odpm -d NAME …          work on the Odoo database NAME
`,
		Example: `  odpm plan --plan-show-diff
  odpm
  odpm -d test_db --db-drop --db-restore my_backup.zip -i -u --set-admin-pass
  odpm -d prod_db --db-backup`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		Args:              a.commandsOnly,
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error { return a.before(cmd, args) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			if showVersion {
				_, err := fmt.Fprintln(a.out, "odpm", version.String())
				return err
			}
			return a.runRoot(cmd.Context(), db)
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return &ui.Usage{Err: flagError(cmd, err)} })
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		var b bytes.Buffer
		cmd.SetOut(&b)
		cmd.Long = wording.Reflow(cmd.Long, a.term.OutWidth)
		help(cmd, args)
		fmt.Fprint(&b, "\nExit codes:\n", ExitCodes(cmd.Annotations))
		// pflag's own notation for a value that may be left out says less than
		// the flag's text.
		a.term.Screen(func(out io.Writer) { fmt.Fprint(out, strings.ReplaceAll(b.String(), `[="`+bare+`"]`, "      ")) })
	})
	f := root.PersistentFlags()
	f.SortFlags = false
	f.StringVarP(&a.common.dir, "directory", "C", ".", "the project's directory `DIR`")
	f.StringArrayVar(&a.common.accept, "accept-database-drift", nil, "accept this `KIND` of drift (repeatable): "+kinds())
	f.BoolVar(&a.common.replaceCompose, "replace-compose", false, "replace a docker-compose.yml that odpm did not write; a dated copy is kept")
	f.BoolVar(&a.common.noInput, "no-input", false, "ask nothing; refuse where an answer is needed")
	f.StringVar(&a.common.color, "color", "auto", "when to use colour: `WHEN` is auto, always or never")
	f.StringVar(&a.common.progress, "progress", "auto", "how to show progress: `HOW` is auto, tty, plain or json")
	f.BoolVarP(&a.common.verbose, "verbose", "v", false, "say more about what is being done")
	f.BoolVarP(&a.common.quiet, "quiet", "q", false, "say nothing but results, questions, warnings and errors")
	root.Flags().BoolVar(&a.common.skipStart, "skip-start", false, "do everything but start containers or a server")
	db.addFlags(root)
	// Cobra's own templates, for the help as for --version, would bring
	// text/template: it calls methods by their names, so that the linker has to
	// keep every method of every type, 2 MB of them.
	root.Flags().BoolVar(&showVersion, "version", false, "print the version, the commit and its date")
	root.AddCommand(a.planCommand(), a.databaseCommand(), a.initCommand(), a.adoptCommand(), a.doctorCommand(), a.explainCommand(), a.stopCommand(), a.renderCommand())
	// Cobra's command keeps the output that it finds here.
	root.SetOut(a.out)
	root.InitDefaultCompletionCmd()
	if c, _, err := root.Find([]string{"completion"}); err == nil {
		// Cobra's own shows its help for a shell that it does not know, and ends with 0.
		c.Args, c.RunE = a.commandsOnly, needsCommand
	}
	a.completions(root)
	return root
}

func kinds() string {
	var words []string
	for _, k := range drift.Acceptable() {
		words = append(words, string(k))
	}
	return strings.Join(words, ", ")
}

// before checks what is common and makes the terminal.
func (a *App) before(cmd *cobra.Command, args []string) error {
	if err := emptyValue(cmd, args); err != nil {
		return err
	}
	for _, c := range []struct {
		flag, value string
		allowed     []string
	}{{"--color", a.common.color, []string{"auto", "always", "never"}}, {"--progress", a.common.progress, ui.ProgressModes}} {
		if !slices.Contains(c.allowed, c.value) {
			return ui.Usagef("%s: %q; allowed: %s", c.flag, c.value, strings.Join(c.allowed, ", "))
		}
	}
	if a.common.quiet && a.common.verbose {
		return ui.Usagef("--quiet and --verbose: give one of the two")
	}
	a.newTerminal(ui.Options{Color: a.common.color, NoInput: a.common.noInput, Quiet: a.common.quiet, Document: a.json, Plain: slices.Contains([]string{"plain", "json"}, a.common.progress)})
	// What was typed is no secret; a name in it must stay one that can be typed again.
	a.secrets.Public(a.args...)
	home := homedir.Dir()
	project.LearnSecrets(&a.secrets, a.common.dir, home, a.environ)
	return nil
}

// options are a run's, from the common flags.
func (a *App) options() (apply.Options, error) {
	accepted, err := drift.ParseAccepted(a.common.accept)
	if err != nil {
		return apply.Options{}, &ui.Usage{Err: err}
	}
	home := homedir.Dir()
	if home == "" {
		return apply.Options{}, fmt.Errorf("HOME is not set, and uid %d has no home directory on this machine; odpm looks there for .odpm/.env and keeps backups in odoo_backups. Set HOME to a directory that this user can write to", os.Geteuid())
	}
	want := plan.Want{Goal: plan.Odoo, ReplaceCompose: a.common.replaceCompose}
	if a.common.skipStart {
		want.Goal = plan.Files
	}
	return apply.Options{
		Options: look.Options{Dir: a.common.dir, Environ: a.environ, Home: home, Want: want, Accepted: accepted, Secrets: &a.secrets},
		Args:    a.args, Term: a.term, Progress: a.common.progress, Verbose: a.common.verbose,
	}, nil
}

// asking is for commands that only ask: no server keeps them longer than it may
// take for an answer.
func asking(ctx context.Context) context.Context {
	return engine.Asking(ctx, engine.AnswerTime)
}

// looking is what commands that only look show on a terminal while they do: a
// Docker engine or a server may take long to answer.
func (a *App) looking() (end func()) { return a.term.Working("looking at the project") }

// format reads the --format of a command whose result is a table.
func format(flag, value string) (isJSON bool, err error) {
	return oneOf(flag, value, "table", "json")
}

// oneOf tells whether a format is the second, and is an error for any other.
func oneOf(flag, value string, words ...string) (bool, error) {
	if !slices.Contains(words, value) {
		return false, ui.Usagef("%s: %q; allowed: %s", flag, value, strings.Join(words, ", "))
	}
	return value == "json", nil
}
