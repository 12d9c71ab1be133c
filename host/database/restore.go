package database

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/odoodb/neutralize"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/verify"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/shared/shell"
)

func (w *work) restore(ctx context.Context) error {
	r := w.req
	if err := w.mayReplace(); err != nil {
		return err
	}
	opts := restore.Options{
		File: r.Restore, Database: r.Name, OdooMajor: w.Project.OdooMajor, Unaccent: w.unaccent(),
		KeepOld: r.KeepOld, AllowMissingFiles: r.AnyFiles, AllowBroken: r.AnyConstraints, AsAdmin: r.AsAdmin, Neutralize: r.Neutralize, AllowIncomplete: r.AnyNeutral, Copy: r.Copy,
		BaseURL: w.URL(), Progress: w.progress("restore"),
	}
	odoo := w.Absence()
	defer odoo.Close()
	if odoo != nil {
		opts.Odoo, odoo.Later = odoo, r.Init || r.Update
	}
	if r.Neutralize {
		if w.Project.OdooMajor >= neutralize.Since {
			if err := w.CanRunOdoo(ctx); err != nil {
				return err
			}
		}
		opts.NeutralizeWithOdoo = w.neutralize
	}
	for _, name := range r.AsAdmin {
		w.Term.Say("odpm: in the new database, as administrator: CREATE EXTENSION %s CASCADE", ui.Clean(name))
	}
	rep, err := restore.Run(ctx, w.server, opts)
	w.shown.Close()
	w.warnRestored(rep)
	w.stopped = odoo.Stopped()
	if err != nil {
		if odoo != nil && odoo.Later {
			err = w.startAgain(ctx, err)
		}
		return refuse(err)
	}
	w.result.Restored = &rep
	line := fmt.Sprintf("odpm: restored %s: Odoo %d, %d modules, ", ui.Clean(rep.Database), rep.OdooMajor, rep.Modules)
	if rep.DatabaseOnly() {
		line += verify.DatabaseOnlyText(rep.Files)
	} else {
		line += fmt.Sprintf("%d files", rep.Files-rep.Missing)
	}
	if rep.Missing > 0 && !rep.DatabaseOnly() {
		line += fmt.Sprintf(" (%d more are missing)", rep.Missing)
	}
	if n := rep.Elsewhere.Files; n > 0 {
		line += fmt.Sprintf(" (%d more are external)", n)
	}
	if rep.Neutralized {
		line += ", neutralized"
	}
	w.Term.Say("%s", line)
	if active := rep.Active.String(); active != "" {
		w.Term.Say("odpm: still active in it: %s", active)
	}
	if rep.Kept != "" {
		w.Term.Say("odpm: the former database is kept as %s", ui.Clean(rep.Kept))
	}
	if w.stopped.IsZero() || r.Init || r.Update {
		return nil
	}
	// The restore has stopped it and started it again.
	if err := w.OdooRuns(ctx); err != nil {
		return fmt.Errorf("database %q is restored and in place, but Odoo, which was running before, is not running properly now: %w", rep.Database, err)
	}
	w.sayAway(odoo.Away())
	return nil
}

// sayAway ends a run that has stopped Odoo.
func (w *work) sayAway(away time.Duration, answers bool) {
	w.result.Away = &Away{away.Seconds(), answers}
	if answers {
		w.Term.Say("odpm: Odoo was down for %.1f s", away.Seconds())
		return
	}
	w.Term.Say("odpm: Odoo was stopped for %.1f s; it is running again, but does not answer HTTP yet", away.Seconds())
}

// maxShown is how many of the things that were left out are said in words; all
// are in the JSON.
const maxShown = 20

func (w *work) warnRestored(rep restore.Report) {
	for _, warning := range rep.Warnings {
		w.Term.Warn("%s", ui.Clean(warning))
	}
	for i, o := range rep.LeftOut {
		if i == maxShown {
			w.Term.Warn("%d more things were left out; --format json lists them", len(rep.LeftOut)-i)
			break
		}
		w.Term.Warn("%s", ui.Clean(o.Text))
	}
}

// mayReplace: a restore over an existing database needs a word.
func (w *work) mayReplace() error {
	r := w.req
	if !w.existed || r.Drop || r.KeepOld || r.Yes {
		return nil
	}
	what := fmt.Sprintf("The database %q already exists; the restored one will replace it once the archive is proven", r.Name)
	ok, err := w.Term.AskName(what+". Type its name to continue:", r.Name)
	if err == nil && !ok {
		return &ui.Refusal{Code: codes.Declined, What: "That is not the database's name. Nothing was restored."}
	}
	if errors.Is(err, ui.ErrNobodyToAsk) {
		return &ui.Refusal{Code: codes.ConfirmationNeeded, What: what + ". That needs confirmation, and there is no terminal to ask on. Nothing was restored.",
			Ways: []string{"add --keep-old        to keep the old database under a dated name", "add --db-drop        to drop it once the new one is in place"}, Err: err}
	}
	return err
}

// FindArchive looks a relative name up in BACKUP_DIR, then here; one that begins
// with ./ or ../ only here, and so all where backupDir is "".
func FindArchive(name, backupDir string) (string, error) {
	places := []string{filepath.Join(backupDir, name), name}
	if first, _, _ := strings.Cut(name, "/"); backupDir == "" || filepath.IsAbs(name) || first == "." || first == ".." {
		places = places[1:]
	}
	for _, path := range places {
		if _, err := os.Stat(path); err == nil {
			return filepath.Abs(path)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("archive %s: %w", name, wording.BadFile(path, err))
		}
	}
	if len(places) == 1 {
		return "", fmt.Errorf("there is no archive %s: %s", name, wording.NoSuchPath(name))
	}
	here, _ := filepath.Abs(name)
	var near string
	for _, path := range places {
		if _, question, found := strings.Cut(wording.NoSuchPath(path), "; "); found && near == "" {
			near = "; " + question
		}
	}
	err := fmt.Errorf("there is no archive %s, neither in BACKUP_DIR (%s) nor here (%s)%s", name, backupDir, here, near)
	if _, missing := os.Stat(backupDir); missing == nil {
		return "", wording.WithNext(err, "To see what is in BACKUP_DIR", "ls "+shell.Quote(backupDir))
	}
	return "", err
}
