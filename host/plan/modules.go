package plan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/wording"
)

// modules runs -i and -u in a one-off Odoo whose exit code decides, and asks
// the database afterwards: Odoo exits 0 for a module that does not exist.
func (w *databaseWork) modules(ctx context.Context) error {
	r := w.req
	if err := w.canRunOdoo(ctx); err != nil {
		return err
	}
	exists, err := w.exists(ctx, r.Name)
	if err != nil {
		return err
	}
	var args, want []string
	created := false
	switch {
	case !exists && !r.Init:
		return fmt.Errorf("there is no database %q to update. Make it: odpm -d %s -i", r.Name, wording.ShellQuote(r.Name))
	case !exists:
		if err := w.server.Create(ctx, r.Name, odoodb.CreateOptions{Unaccent: w.unaccent()}); err != nil {
			return err
		}
		created = true
		w.Term.Step("created database %s", ui.Clean(r.Name))
	}
	fresh := created
	if !fresh && r.Init {
		if fresh, err = w.uninitialised(ctx); err != nil {
			return err
		}
	}
	if r.Init {
		mods := first(r.InitModules, w.Project.Settings.InitModules)
		if fresh && !slices.Contains(mods, "base") {
			mods = append([]string{"base"}, mods...)
		}
		if len(mods) == 0 {
			return errors.New("-i: no module is named, neither on the command line nor as init_modules in user_settings.json")
		}
		args = append(args, "-i", strings.Join(mods, ","))
		want = append(want, mods...)
		if fresh {
			args = append(args, w.firstSettings()...)
		}
	}
	if r.Update {
		mods := first(r.UpdateModules, w.Project.Settings.UpdateModules)
		if len(mods) == 0 && !r.Init {
			return errors.New("-u: no module is named, neither on the command line nor as update_modules in user_settings.json")
		}
		if len(mods) > 0 {
			args = append(args, "-u", strings.Join(mods, ","))
			want = append(want, mods...)
		}
	}
	if err := w.runOdoo(ctx, append([]string{"-d", r.Name, "--stop-after-init", "--no-http"}, args...)); err != nil {
		if created {
			w.Term.Warn("the new database %s is left as it is, to look at; drop it: odpm -d %s --db-drop", ui.Clean(r.Name), wording.ShellQuote(r.Name))
		}
		return err
	}
	return w.installed(ctx, want)
}

// canRunOdoo is asked before a database is made for it.
func (s *Session) canRunOdoo(ctx context.Context) error {
	if s.Stack != nil {
		return s.checkAccess(ctx)
	}
	if s.Project.OdooCommand == "" {
		return errors.New(".env: ODOO_COMMAND is not set; without Docker odpm must know how Odoo is started, for example ODOO_COMMAND=./odoo-bin")
	}
	return nil
}

func first(lists ...[]string) []string {
	for _, l := range lists {
		if len(l) > 0 {
			return slices.Clone(l)
		}
	}
	return nil
}

// firstSettings are language and demo data of a new database. Up to 18 Odoo
// loads demo data unless told otherwise, from 19 on only when told.
func (w *databaseWork) firstSettings() []string {
	var args []string
	set := w.Project.Settings
	if set.Language != "" {
		args = append(args, "--load-language="+set.Language)
	}
	modern := w.Project.OdooMajor >= 19
	switch {
	case set.Demo && modern:
		args = append(args, "--with-demo")
	case !set.Demo && !modern:
		args = append(args, "--without-demo=all")
	}
	return args
}

func (w *databaseWork) uninitialised(ctx context.Context) (bool, error) {
	all, err := w.server.List(ctx)
	if err != nil {
		return false, err
	}
	for _, d := range all {
		if d.Name == w.req.Name {
			return !d.IsOdoo, nil
		}
	}
	return true, nil
}

// runOdoo runs Odoo once. A running Odoo would meet half-updated modules, so
// it is stopped before, and started again should the run fail.
func (w *databaseWork) runOdoo(ctx context.Context, args []string) error {
	odoo := w.odooService()
	wasRunning := false
	if odoo != nil {
		var err error
		if wasRunning, err = odoo.Running(ctx); err != nil {
			return err
		}
		if wasRunning {
			w.Term.Step("stopping Odoo for the one-off run")
			if err := odoo.Stop(ctx); err != nil {
				return err
			}
		}
	}
	w.Term.Step("running Odoo once: %s", ui.Clean(strings.Join(args, " ")))
	err := w.odooOnce(ctx, args)
	if err == nil {
		return nil
	}
	if wasRunning {
		if serr := odoo.Start(context.WithoutCancel(ctx)); serr != nil {
			w.Term.Warn("Odoo was stopped for the run and could not be started again: %v", serr)
		}
	}
	var exit *engine.ExitError
	var native *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit):
		return fmt.Errorf("the one-off Odoo ended with exit code %d (%s); its output is above", exit.Code, exitMeaning(exit.Code))
	case errors.As(err, &native):
		return fmt.Errorf("the one-off Odoo ended with exit code %d (%s); its output is above", native.ExitCode(), exitMeaning(native.ExitCode()))
	}
	return err
}

func (s *Session) odooOnce(ctx context.Context, args []string) error {
	if s.Stack != nil {
		return s.Stack.RunOnce(ctx, engine.RunOnce{Service: s.Project.OdooServiceName,
			Args: append(s.spec.OdooCommand(), args...), Stdout: s.Term.Err, Stderr: s.Term.Err, NoDeps: true})
	}
	argv, err := s.odooArgv(ctx, args...)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, s.want.image.checker, append([]string{"--"}, argv...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.Project.Dir, s.odooEnv(), s.Term.Err, s.Term.Err
	return cmd.Run()
}

// installed asks the database for the state of each wanted module.
func (w *databaseWork) installed(ctx context.Context, want []string) error {
	c, err := w.server.Admin(ctx, w.req.Name)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	rows, err := c.Query(ctx, "SELECT name::text, state::text FROM public.ir_module_module")
	if err != nil {
		return err
	}
	defer rows.Close()
	state := map[string]string{}
	for rows.Next() {
		var name, st string
		if err := rows.Scan(&name, &st); err != nil {
			return err
		}
		state[name] = st
	}
	if err := rows.Err(); err != nil {
		return err
	}
	var missing []string
	for _, m := range want {
		if m == "all" || state[m] == "installed" {
			continue
		}
		what := state[m]
		if what == "" {
			what = "unknown to Odoo; is it in addons_path?"
		}
		missing = append(missing, m+" ("+what+")")
	}
	if len(missing) > 0 {
		return fmt.Errorf("Odoo ended with exit code 0, but these modules are not installed in %s: %s", w.req.Name, strings.Join(missing, ", "))
	}
	return nil
}

// odooService is the Odoo that stands still for a swap; nil where there is none.
func (s *Session) odooService() odoodb.OdooService {
	switch {
	case s.Stack != nil:
		return stackOdoo{s}
	case s.Project.OdooCommand != "":
		return nativeOdoo{s}
	}
	return nil
}

type stackOdoo struct{ s *Session }

func (o stackOdoo) Running(ctx context.Context) (bool, error) {
	c, err := o.s.Stack.Container(ctx, o.s.Project.OdooServiceName)
	return c.Running, err
}
func (o stackOdoo) Stop(ctx context.Context) error {
	return o.s.Stack.StopService(ctx, o.s.Project.OdooServiceName)
}
func (o stackOdoo) Start(ctx context.Context) error {
	return o.s.Stack.Up(ctx, nil, o.s.Project.OdooServiceName)
}

type nativeOdoo struct{ s *Session }

func (o nativeOdoo) Running(context.Context) (bool, error) { return o.s.odooProcess().runs(), nil }
func (o nativeOdoo) Stop(ctx context.Context) error        { return o.s.odooProcess().stop(ctx) }
func (o nativeOdoo) Start(ctx context.Context) error       { return o.s.startNativeOdoo(ctx) }

// findModules prints the modules that Odoo does not find; Odoo's own
// neutralisation skips those silently.
const findModules = `import sys
import odoo
from odoo.tools import config
from odoo.modules.module import get_module_path
config.parse_config([])
for name in sys.stdin.read().split():
    try:
        path = get_module_path(name, display_warning=False)
    except TypeError:
        path = get_module_path(name)
    if not path:
        print(name)
`

func modulesMissing(names []string) error {
	return fmt.Errorf("these installed modules are not on Odoo's path, so Odoo would leave them as they are: %s. Add them, or restore without --neutralize", strings.Join(names, ", "))
}

// neutralize runs Odoo's own neutralisation on a database that nobody sees
// yet, after proving that all of its modules are on Odoo's path.
func (w *databaseWork) neutralize(ctx context.Context, database string, modules []string) error {
	if w.Stack == nil {
		return w.neutralizeNative(ctx, database, modules)
	}
	missing, errs := wording.Tail{Max: 16 << 10}, wording.Tail{Max: 16 << 10}
	err := w.Stack.RunOnce(ctx, engine.RunOnce{Service: w.Project.OdooServiceName, Entrypoint: "python3", NoDeps: true,
		Args: []string{"-c", findModules}, Stdin: strings.NewReader(strings.Join(modules, "\n")), Stdout: &missing, Stderr: &errs})
	if err != nil {
		return fmt.Errorf("which modules %s has could not be found out: %w\n%s", w.Project.OdooImage, err, wording.LastLines(errs.String(), 5))
	}
	if names := strings.Fields(missing.String()); len(names) > 0 {
		return modulesMissing(names)
	}
	command := w.spec.OdooCommand()[0]
	return w.Stack.RunOnce(ctx, engine.RunOnce{Service: w.Project.OdooServiceName, NoDeps: true,
		Args: []string{command, "neutralize", "-d", database}, Stdout: w.Term.Err, Stderr: w.Term.Err})
}
