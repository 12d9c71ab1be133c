package database

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/odpm/odpm/host/apply"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/verify"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/receipts"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/shared/shell"
)

// RehearseRequest is what `odpm database rehearse` asks for.
type RehearseRequest struct {
	// What is an archive or the name of a database, whose newest backup is meant;
	// "" is the newest backup of all.
	What string
	// Major is PostgreSQL's in a throwaway cluster, 0 for the project's server.
	Major int
	// BinDir has that major's programs, "" where a package has put them. Image is
	// one of that major for a container; "" is for odpm to choose.
	BinDir, Image string
	// Odoo: the project's Odoo updates the module base in the restored database,
	// which is neutralized before.
	Odoo bool
	// AnyFiles, AnyConstraints and AsAdmin are a restore's.
	AnyFiles, AnyConstraints bool
	AsAdmin                  []string
}

// Rehearsed is what a rehearsal gave.
type Rehearsed struct {
	receipts.Receipt
	Report restore.RehearseReport `json:"-"`
}

// Rehearse restores a backup into a hidden database, compares it with the
// archive, and drops it again. What it has shown is remembered by a receipt.
func Rehearse(ctx context.Context, o apply.Options, req RehearseRequest) (Rehearsed, error) {
	if req.Major != 0 && req.Odoo {
		return Rehearsed{}, ui.Usagef("--run-odoo and --major cannot be used together: the project's Odoo is connected to the project's server")
	}
	if (req.BinDir != "" || req.Image != "") && req.Major == 0 {
		return Rehearsed{}, ui.Usagef("--pg-bindir and --pg-image need --major")
	}
	if req.BinDir != "" && req.Image != "" {
		return Rehearsed{}, ui.Usagef("--pg-bindir and --pg-image cannot be used together")
	}
	if req.Major != 0 && (req.Major < 12 || req.Major > 99) {
		return Rehearsed{}, ui.Usagef("--major: odpm does not know PostgreSQL %d; the oldest is 12", req.Major)
	}
	o.Want.Goal = plan.Role
	if req.Odoo {
		o.Want.Goal = plan.Odoo
	}
	s, unlock, err := apply.Begin(ctx, o)
	if err != nil {
		return Rehearsed{}, err
	}
	defer unlock()
	if err := readOnly(s, req.Major != 0, ""); err != nil {
		return Rehearsed{}, err
	}
	known, unread := receipts.All(s.Dirs.State())
	for _, w := range receipts.Warnings(unread) {
		s.Term.Warn("%s", ui.Clean(w))
	}
	file, database, err := backupOf(req.What, s.Project.BackupDir, known)
	if err != nil {
		return Rehearsed{}, err
	}
	w := &work{Run: s, req: Request{Name: filepath.Base(file)}, shown: s.Term.NewProgress(o.Progress)}
	defer w.shown.Close()
	if req.Major != 0 {
		pg, err := throwaway(ctx, s, req)
		if err != nil {
			return Rehearsed{}, err
		}
		defer pg.remove(ctx, s.Term)
		w.server = pg.server
	} else {
		if req.Odoo && s.Stack == nil {
			if err := s.CanRunOdooNative(); err != nil {
				return Rehearsed{}, err
			}
		}
		if err := s.UpPostgres(ctx); err != nil {
			return Rehearsed{}, err
		}
		if err := readOnly(s, false, ""); err != nil {
			return Rehearsed{}, err
		}
		w.server = s.DatabaseServer()
	}
	opts := restore.RehearseOptions{Restore: restore.Options{
		File: file, OdooMajor: s.Project.OdooMajor, Unaccent: w.unaccent(), AllowMissingFiles: req.AnyFiles,
		AllowBroken: req.AnyConstraints, AsAdmin: req.AsAdmin, Progress: w.progress("rehearse"),
	}}
	if req.Odoo {
		if err := w.CanRunOdoo(ctx); err != nil {
			return Rehearsed{}, err
		}
		opts.Restore.Neutralize, opts.Restore.NeutralizeWithOdoo = true, w.neutralize
		opts.Odoo = func(ctx context.Context, database string) error {
			return w.RunOdooOnce(ctx, false, []string{"-d", database, "-u", "base", "--stop-after-init", "--no-http"})
		}
	}
	start := time.Now()
	rep, err := restore.Rehearse(ctx, w.server, opts)
	w.shown.Close()
	w.warnRestored(rep.Report)
	if ctx.Err() != nil {
		return Rehearsed{}, err
	}
	if database == "" {
		database = rep.Verify.Database
	}
	res := Rehearsed{Receipt: receiptOf(file, database, rep, err, time.Since(start)), Report: rep}
	if kerr := res.Keep(s.Dirs.State()); kerr != nil {
		s.Term.Warn("the receipt of the rehearsal could not be written: %s", ui.Clean(kerr.Error()))
	}
	return res, refuse(err)
}

func receiptOf(file, database string, rep restore.RehearseReport, err error, took time.Duration) receipts.Receipt {
	h := &receipts.Rehearsal{
		Proven: err == nil, SHA256: rep.SHA256, ServerVersion: rep.ServerVersion, Tables: rep.Tables, Rows: rep.Rows, RowsCompared: rep.RowsCompared,
		Files: rep.Checked + rep.Damaged, DamagedFiles: rep.Damaged, WrongSizeFiles: rep.WrongSized, OdooRan: rep.OdooRan, Neutralized: rep.Neutralized,
		Extensions: list(rep.Extensions), Collation: rep.Collation, MadeBy: rep.Verify.ServerVersion,
		LeftOut: []string{}, Warnings: list(rep.Warnings), Seconds: took.Seconds(), Restored: rep.Restored.Seconds(),
	}
	if rep.Neutralized {
		h.StillActive = rep.Active
	}
	for _, o := range rep.LeftOut {
		h.LeftOut = append(h.LeftOut, o.Text)
	}
	if err != nil {
		h.Error = err.Error()
	}
	return receipts.Receipt{Kind: receipts.Rehearsed, Database: database, Archive: file, At: time.Now(), External: rep.Elsewhere.Files, DatabaseOnly: rep.DatabaseOnly(), MissingFiles: rep.Missing, Rehearsal: h}
}

// backupOf finds the archive that is meant, and whose it is where odpm knows it.
func backupOf(what, backupDir string, known []receipts.Receipt) (file, database string, err error) {
	if what != "" {
		if file, err = FindArchive(what, backupDir); err == nil {
			for _, r := range known {
				if r.Archive == file && r.Kind == receipts.Backup {
					database = r.Database
				}
			}
			return file, database, nil
		}
		if strings.ContainsRune(what, filepath.Separator) {
			return "", "", err
		}
	}
	var newest time.Time
	consider := func(path, of string, at time.Time) {
		if at.After(newest) {
			file, database, newest = path, of, at
		}
	}
	for _, r := range known {
		if r.Kind == receipts.Backup && (what == "" || r.Database == what) && r.There() {
			consider(r.Archive, r.Database, time.Unix(0, r.Modified))
		}
	}
	entries, rerr := os.ReadDir(backupDir)
	if rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
		return "", "", rerr
	}
	for _, e := range entries {
		dated := datedName.FindString(e.Name())
		of := strings.TrimSuffix(e.Name(), dated)
		if info, err := e.Info(); err == nil && dated != "" && info.Mode().IsRegular() && (what == "" || of == what) {
			consider(filepath.Join(backupDir, e.Name()), of, info.ModTime())
		}
	}
	switch {
	case file != "":
		file, err = filepath.Abs(file)
		return file, database, err
	case what == "":
		return "", "", fmt.Errorf("there is no backup in BACKUP_DIR (%s); make one of the database NAME: odpm -d NAME --db-backup", backupDir)
	}
	return "", "", wording.WithNext(fmt.Errorf("%s is neither an archive (in BACKUP_DIR, %s, or here) nor a database with a backup there%s",
		what, backupDir, wording.DidYouMean(what, backedUp(known))), "To make one", "odpm -d "+shell.Quote(what)+" --db-backup")
}

func backedUp(known []receipts.Receipt) []string {
	var names []string
	for _, r := range known {
		names = append(names, r.Database)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// WriteRehearsed says what was proven.
func WriteRehearsed(out io.Writer, r Rehearsed, major int) {
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(tw, "%s\t%s\n", name, ui.Clean(fmt.Sprintf(format, args...)))
	}
	row("Archive", "%s (%s)", r.Archive, ui.Bytes(r.Bytes))
	if r.Database != "" {
		row("Database", "%s", r.Database)
	}
	row("Restored", "into PostgreSQL %s, in %s", r.ServerVersion, round(r.Report.Restored))
	row("Rows", "%d in %d tables, as in the archive", r.Rows, r.Tables)
	row("File store", "%d files, checksums as in the archive, %d damaged there, %d missing there%s", r.Files, r.DamagedFiles, r.MissingFiles, external(r.Report.Elsewhere))
	if r.OdooRan {
		row("Odoo", "updated base in %s", round(r.Report.Ran))
	}
	if major != 0 {
		row("Made by", "PostgreSQL %s, pg_dump %s", wording.OrUnset(r.Report.Verify.ServerVersion), wording.OrUnset(r.Report.Verify.DumpVersion))
		for _, e := range r.Report.Extensions {
			row("Extension", "%s", e)
		}
		row("Collation", "%s", r.Report.Collation)
		row("Left out", "%d things", len(r.LeftOut))
	}
	tw.Flush()
	if r.DatabaseOnly {
		fmt.Fprintf(out, "The archive has been proven restorable, as %s.\n", verify.DatabaseOnlyText(r.MissingFiles))
		return
	}
	fmt.Fprintln(out, "The archive has been proven restorable.")
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }
