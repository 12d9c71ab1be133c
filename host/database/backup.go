package database

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/progress"
	"github.com/odpm/odpm/host/odoodb/verify"
	"github.com/odpm/odpm/host/receipts"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/shared/shell"
)

// progress shows odoodb's events.
func (w *work) progress(verb string) progress.Func {
	task := verb + " " + ui.Clean(w.req.Name)
	return func(e progress.Event) {
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

// backupFile is the archive's path.
func (w *work) backupFile(format archive.Format) (string, error) {
	file := w.req.BackupFile
	switch {
	case file == "":
		// Two in one second are two archives.
		for now := time.Now(); ; now = now.Add(time.Second) {
			file = filepath.Join(w.Project.BackupDir, backup.DefaultFile(w.req.Name, format, now))
			if _, err := os.Lstat(file); err != nil {
				break
			}
		}
	case !strings.ContainsRune(file, filepath.Separator):
		file = filepath.Join(w.Project.BackupDir, file)
	default:
		// BACKUP_DIR is made where it is not there; a directory that was typed is a
		// slip, or a disk that is not mounted.
		if dir := filepath.Dir(file); wording.NoSuchPath(dir) != "" && dir != filepath.Clean(w.Project.BackupDir) {
			return "", wording.WithNext(fmt.Errorf("--db-backup: %s", wording.NoSuchPath(file)), "To make it", "mkdir -p "+shell.Quote(dir))
		}
		if info, err := os.Stat(file); err == nil && info.IsDir() {
			return "", ui.Usagef("--db-backup: %s is a directory; name a file in it, for example %s", file, shell.Quote(filepath.Join(file, w.req.Name+".zip")))
		}
	}
	return filepath.Abs(file)
}

func (w *work) backup(ctx context.Context) error {
	format, err := backupFormat(w.req)
	if err != nil {
		return err
	}
	file, err := w.backupFile(format)
	if err != nil {
		return err
	}
	res, err := backup.Run(ctx, w.server, backup.Options{Database: w.req.Name, File: file, Format: format,
		AllFiles: w.req.AllFiles, OdooVersion: w.Project.OdooVersion, Progress: w.progress("backup")})
	w.shown.Close()
	for _, warning := range res.Warnings {
		w.Term.Warn("%s", ui.Clean(warning))
	}
	if err != nil {
		return refuse(err)
	}
	w.result.Archive, w.result.BackedUp = res.Path, &res
	files := fmt.Sprintf("%d files", res.Files)
	if res.DatabaseOnly {
		files = verify.DatabaseOnlyText(res.Stored)
	}
	line := fmt.Sprintf("odpm: backed up %s: %s, %s", ui.Clean(w.req.Name), ui.Bytes(res.Bytes), files)
	if n := res.Elsewhere.Files; n > 0 {
		line += fmt.Sprintf(" (%d more are external)", n)
	}
	w.Term.Say("%s", line)
	for i, o := range res.LeftOut {
		if i == maxShown {
			w.Term.Warn("a restore would leave out %d more things; --format json lists them", len(res.LeftOut)-i)
			break
		}
		w.Term.Warn("a restore will warn: %s", ui.Clean(o.Text))
	}
	if needs := res.Needs.String(); needs != "" {
		w.Term.Say("odpm: to restore it on another server, that server needs: %s", ui.Clean(needs))
	}
	made := receipts.Receipt{Kind: receipts.Backup, Database: w.req.Name, Archive: res.Path, At: time.Now(), External: res.Elsewhere.Files, DatabaseOnly: res.DatabaseOnly, MissingFiles: len(res.Missing)}
	if err := made.Keep(w.Dirs.State()); err != nil {
		w.Term.Warn("the backup is complete, but could not be recorded, so --keep will never remove it: %s", ui.Clean(err.Error()))
	}
	if !w.req.Keep.Any() {
		return nil
	}
	if w.result.Removed, err = prune(w.Dirs.State(), res.Path, w.req.Name, w.req.Keep, w.Term.Say); err != nil {
		return fmt.Errorf("the backup %s is complete, but old ones could not be removed: %w", res.Path, err)
	}
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
