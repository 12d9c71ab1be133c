package database

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/odpm/odpm/host/odoodb"
	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/ui"
)

// progress shows odoodb's events.
func (w *work) progress(verb string) odoodb.Progress {
	task := verb + " " + ui.Clean(w.req.Name)
	return func(e odoodb.Event) {
		unit := "B"
		if e.Items {
			unit = "items"
		}
		total := e.Total
		if e.Finished && total == 0 {
			total = e.Done
		}
		w.shown.Report(task, string(e.Phase), unit, e.Done, total)
	}
}

func (w *work) backup(ctx context.Context) error {
	format, err := backupFormat(w.req)
	if err != nil {
		return err
	}
	file := w.req.BackupFile
	switch {
	case file == "":
		file = filepath.Join(w.Project.BackupDir, odoodb.DefaultFile(w.req.Name, format, time.Now()))
	case !strings.ContainsRune(file, filepath.Separator):
		file = filepath.Join(w.Project.BackupDir, file)
	}
	if file, err = filepath.Abs(file); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	res, err := w.server.Backup(ctx, odoodb.BackupOptions{Database: w.req.Name, File: file, Format: format,
		AllFiles: w.req.AllFiles, OdooVersion: w.Project.OdooVersion, Progress: w.progress("backup")})
	w.shown.Close()
	for _, warning := range res.Warnings {
		w.Term.Warn("%s", ui.Clean(warning))
	}
	if err != nil {
		return refuse(err)
	}
	w.result.Archive = res.Path
	w.Term.Say("odpm: backed up %s: %s, %d files", ui.Clean(w.req.Name), ui.Bytes(res.Bytes), res.Files)
	return nil
}

func backupFormat(r Request) (archive.Format, error) {
	switch r.BackupFormat {
	case "dump":
		return archive.Dump, nil
	case "zip":
		return archive.Zip, nil
	case "":
		if strings.HasSuffix(r.BackupFile, ".dump") {
			return archive.Dump, nil
		}
		return archive.Zip, nil
	}
	return "", ui.Usagef("--backup-format: %q is not a format; allowed: zip, dump", r.BackupFormat)
}

func (w *work) restore(ctx context.Context) error {
	r := w.req
	if err := w.mayReplace(); err != nil {
		return err
	}
	opts := odoodb.RestoreOptions{
		File: r.Restore, Database: r.Name, OdooMajor: w.Project.OdooMajor, Unaccent: w.unaccent(),
		KeepOld: r.KeepOld, AllowMissingFiles: r.AnyFiles, Neutralize: r.Neutralize, Copy: r.Copy,
		BaseURL: w.URL(), Odoo: w.OdooService(), Progress: w.progress("restore"),
	}
	if r.Neutralize {
		if w.Project.OdooMajor >= odoodb.OdooNeutralizes {
			if err := w.CanRunOdoo(ctx); err != nil {
				return err
			}
		}
		opts.NeutralizeWithOdoo = w.neutralize
	}
	rep, err := w.server.Restore(ctx, opts)
	w.shown.Close()
	for _, warning := range rep.Warnings {
		w.Term.Warn("%s", ui.Clean(warning))
	}
	if err != nil {
		return refuse(err)
	}
	line := fmt.Sprintf("odpm: restored %s: Odoo %d, %d modules, %d files", ui.Clean(rep.Database), rep.OdooMajor, rep.Modules, rep.Files)
	if rep.Neutralized {
		line += ", neutralized"
	}
	w.Term.Say("%s", line)
	if rep.Kept != "" {
		w.Term.Say("odpm: the former database is kept as %s", ui.Clean(rep.Kept))
	}
	return nil
}

// mayReplace: a restore over an existing database needs a word.
func (w *work) mayReplace() error {
	r := w.req
	if !w.existed || r.Drop || r.KeepOld || r.Yes {
		return nil
	}
	what := fmt.Sprintf("The database %q exists; a restore takes its place once the archive is proven", r.Name)
	ok, err := w.Term.AskName(what+". Type its name to go on:", r.Name)
	if err == nil && !ok {
		return &ui.Refusal{What: "That is not the database's name. Nothing was restored."}
	}
	if errors.Is(err, ui.ErrNobodyToAsk) {
		return &ui.Refusal{What: what + ". That needs a confirmation, and nobody is there to ask. Nothing was restored.",
			Ways: []string{"add --db-drop      the old database goes when the new one is in place", "add --keep-old     it is kept under a dated name"}, Err: err}
	}
	return err
}

func (w *work) drop(ctx context.Context) error {
	rep, err := w.server.Drop(ctx, w.req.Name)
	if odoodb.IsMissing(err) && (w.req.Init || w.req.Update) {
		w.Term.Say("odpm: there was no database %s to drop", ui.Clean(w.req.Name))
		return nil
	}
	if err != nil {
		if held := odoodb.Holders(err); len(held) > 0 {
			return fmt.Errorf("%w\n  %s", err, strings.Join(held, "\n  "))
		}
		return err
	}
	line := fmt.Sprintf("odpm: dropped %s (owner %s, %d connections ended)", ui.Clean(rep.Database), ui.Clean(rep.Owner), rep.Sessions)
	if rep.Filestore != "" {
		line += ", and its filestore " + w.Rel(rep.Filestore)
	}
	w.Term.Say("%s", line)
	return nil
}

func (w *work) setAdmin(ctx context.Context) error {
	set := w.Project.Settings
	rep, err := w.server.SetAdminPassword(ctx, odoodb.AdminPassword{Database: w.req.Name, Login: set.AdminLogin, Password: set.AdminPassword})
	if err != nil {
		return err
	}
	line := fmt.Sprintf("odpm: the password of %s (%s, id %d) was set", ui.Clean(rep.Login), rep.XMLID, rep.UserID)
	if rep.FormerLogin != "" && rep.FormerLogin != rep.Login {
		line += fmt.Sprintf("; the login was %s", ui.Clean(rep.FormerLogin))
	}
	w.Term.Say("%s", line)
	if rep.Inactive {
		w.Term.Warn("that user is inactive and cannot log in")
	}
	if rep.TwoFactor {
		w.Term.Warn("that user has two-factor authentication; the password alone does not log in")
	}
	if rep.APIKeys > 0 {
		w.Term.Warn("%d API keys still open the account; revoke them in Odoo under the user's account security", rep.APIKeys)
	}
	return nil
}
