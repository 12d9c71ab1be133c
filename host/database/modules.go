package database

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/odpm/odpm/host/interrupt"
	"github.com/odpm/odpm/host/odoodb"
	"github.com/odpm/odpm/host/odoodb/create"
	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/shared/shell"
)

var (
	errNoInitModule   = errors.New("-i: no module was named, either on the command line or as init_modules in user_settings.json")
	errNoUpdateModule = errors.New("-u: no module was named, either on the command line or as update_modules in user_settings.json")
)

// nameModules fills in the project's lists where the command line has none, and
// finds out before a restore what would be wrong after it.
func (w *work) nameModules() error {
	r := &w.req
	if r.Init {
		r.InitModules = first(r.InitModules, w.Project.Settings.InitModules)
		if r.Restore != "" && len(r.InitModules) == 0 {
			return errNoInitModule // only a database without Odoo gets base by itself
		}
	}
	if r.Update {
		r.UpdateModules = first(r.UpdateModules, w.Project.Settings.UpdateModules)
		if len(r.UpdateModules) == 0 && !r.Init {
			return errNoUpdateModule
		}
	}
	return nil
}

// modules runs -i and -u in a one-off Odoo whose exit code decides, and asks
// the database afterwards: Odoo exits 0 for a module that does not exist.
func (w *work) modules(ctx context.Context) error {
	r := w.req
	_, exists, err := w.lookup(ctx)
	if err != nil {
		return err
	}
	var args, want, installed, updated []string
	created, hadFiles := false, false
	switch {
	case !exists && !r.Init:
		return fmt.Errorf("there is no database %q to update. To create it: odpm -d %s -i", r.Name, shell.Quote(r.Name))
	case !exists:
		// A filestore without a database is somebody's, and outlives the attempt.
		hadFiles = drop.HasFilestore(w.server, r.Name)
		if err := create.Empty(ctx, w.server, r.Name, create.Options{Unaccent: w.unaccent()}); err != nil {
			return err
		}
		created = true
		w.Term.Step("created database %s", ui.Clean(r.Name))
	}
	fresh := created
	if !fresh {
		if fresh, err = w.uninitialised(ctx); err != nil {
			return err
		}
	}
	if fresh && !r.Init {
		return fmt.Errorf("database %q does not contain Odoo, so there is nothing to update. To install it first: odpm -d %s -i base", r.Name, shell.Quote(r.Name))
	}
	if r.Update && !fresh {
		if err := w.updatable(ctx); err != nil {
			return err
		}
	}
	if r.Init {
		mods := slices.Clone(r.InitModules)
		if fresh && !slices.Contains(mods, "base") {
			mods = append([]string{"base"}, mods...)
		}
		if len(mods) == 0 {
			return errNoInitModule
		}
		args = append(args, "-i", strings.Join(mods, ","))
		installed = mods
		want = append(want, mods...)
		if fresh {
			args = append(args, w.firstSettings()...)
		}
	}
	if r.Update {
		if mods := r.UpdateModules; len(mods) > 0 {
			args = append(args, "-u", strings.Join(mods, ","))
			updated = mods
			want = append(want, mods...)
		}
	}
	if err := w.runOdoo(ctx, append([]string{"-d", r.Name, "--stop-after-init", "--no-http"}, args...)); err != nil {
		if created {
			w.leave(ctx, hadFiles)
		}
		return err
	}
	if err := w.installed(ctx, want); err != nil {
		return err
	}
	w.result.Installed, w.result.Updated = installed, updated
	return nil
}

// updatable asks for what -u names before Odoo is stopped: Odoo passes over a
// module that is not installed, after a downtime for nothing. One that -i names,
// too, is installed by then.
func (w *work) updatable(ctx context.Context) error {
	state, err := odoodb.ModuleStates(ctx, w.server, w.req.Name)
	if err != nil {
		return err
	}
	var wrong, install []string
	for _, m := range w.req.UpdateModules {
		if m == "all" || slices.Contains(w.req.InitModules, m) {
			continue
		}
		switch what := state[m]; what {
		case "installed", "to install", "to upgrade", "to remove":
		case "":
			wrong = append(wrong, m+" ("+w.unknown(m, state)+")")
			if slices.Contains(project.Addons(w.Project.Dir), m) {
				install = append(install, m)
			}
		case "uninstallable":
			wrong = append(wrong, m+" ("+what+")")
		default:
			wrong = append(wrong, m+" ("+what+")")
			install = append(install, m)
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	err = fmt.Errorf("-u updates what is installed, and these modules are not installed in %s: %s. Nothing was updated, and Odoo was not stopped.", w.req.Name, strings.Join(wrong, ", "))
	if len(install) > 0 {
		err = wording.WithNext(err, "To install", "odpm -d "+shell.Quote(w.req.Name)+" -i "+strings.Join(install, ","))
	}
	return err
}

// unknown says that a database does not know a module, and which one was probably
// meant: of the database's list, or of the project's addons.
func (w *work) unknown(module string, state map[string]string) string {
	if slices.Contains(project.Addons(w.Project.Dir), module) {
		return "unknown to this database, though it is in addons"
	}
	if question := wording.DidYouMean(module, append(slices.Sorted(maps.Keys(state)), project.Addons(w.Project.Dir)...)); question != "" {
		return "unknown to Odoo" + question
	}
	return "unknown to Odoo; is it in addons_path?"
}

// leave is what becomes of a database that this run made and Odoo did not
// finish: after Ctrl-C there is no half one, after an error it is there to look at.
func (w *work) leave(ctx context.Context, hadFiles bool) {
	name := w.req.Name
	if ctx.Err() != nil && !hadFiles {
		undo, cancel := interrupt.Cleanup(ctx, 15*time.Second)
		defer cancel()
		_, err := drop.Database(undo, w.server, name)
		if err == nil {
			w.Term.Say("odpm: the half-initialised new database %s was dropped", ui.Clean(name))
			return
		}
		w.Term.Warn("%v", err)
	}
	w.Term.Warn("the new database %s is left for you to inspect; to drop it: odpm -d %s --db-drop", ui.Clean(name), shell.Quote(name))
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
func (w *work) firstSettings() []string {
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

func (w *work) uninitialised(ctx context.Context) (bool, error) {
	d, err := odoodb.Look(ctx, w.server, w.req.Name)
	return !d.IsOdoo, err
}

// runOdoo runs Odoo once. A running Odoo would meet half-updated modules, so
// it is stopped before.
func (w *work) runOdoo(ctx context.Context, args []string) error {
	if odoo := w.OdooService(); odoo != nil {
		running, err := odoo.Running(ctx)
		if err != nil {
			return err
		}
		if running {
			w.Term.Step("stopping Odoo for the one-off run")
			if w.stopped.IsZero() {
				w.stopped = time.Now()
			}
			if err := odoo.Stop(ctx); err != nil {
				return err
			}
		}
	}
	w.Term.Step("running Odoo once: %s", ui.Clean(strings.Join(args, " ")))
	err := w.RunOdooOnce(ctx, true, args)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// startAgain is for a run that ends with an error after it has stopped Odoo:
// whatever went wrong, Odoo is left as it was.
func (w *work) startAgain(ctx context.Context, err error) error {
	if !w.stopped.IsZero() {
		start, done := interrupt.Cleanup(ctx, time.Minute)
		defer done()
		if serr := w.OdooService().Start(start); serr != nil {
			w.Term.Warn("Odoo was stopped for the run and could not be started again: %v", serr)
		}
	}
	return err
}

// installed asks the database for the state of each wanted module.
func (w *work) installed(ctx context.Context, want []string) error {
	state, err := odoodb.ModuleStates(ctx, w.server, w.req.Name)
	if err != nil {
		return err
	}
	var missing []string
	for _, m := range want {
		if m == "all" || state[m] == "installed" {
			continue
		}
		what := state[m]
		if what == "" {
			what = w.unknown(m, state)
		}
		missing = append(missing, m+" ("+what+")")
	}
	if len(missing) > 0 {
		return fmt.Errorf("Odoo ended with exit code 0, but these modules are not installed in %s: %s", w.req.Name, strings.Join(missing, ", "))
	}
	return nil
}

// unaccent is odoo.conf's.
func (w *work) unaccent() bool {
	v, _ := w.Desired.Parsed.Value("unaccent", w.Project.OdooMajor)
	switch strings.ToLower(v) {
	case "true", "1", "yes", "on":
		return true
	}
	return false
}
