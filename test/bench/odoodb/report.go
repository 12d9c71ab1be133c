package main

import (
	"fmt"
	"io"
)

// report is what was measured. Sizes are bytes, times seconds.
type report struct {
	Database, Dump, Filestore int64
	Files                     int

	Backup, OdooBackup         float64
	Archive, OdooArchive       int64
	BackupRSS, BackupExtraDisk int64

	Restore, PlainRestore        float64
	RestoreRSS, RestoreExtraDisk int64
	// Restored is what a restored database and file store take.
	Restored int64
	Verify   float64
	// List and Names are `database list` and `--get-dbs-list` over many databases.
	List, Names float64
}

const (
	wantBackup, wantRestore = 3.0, 1.5
	wantList, wantNames     = 1.0, 0.1
	wantRSS                 = 100 << 20
	// slack is for directories and the rounding of files to blocks.
	slack = 32 << 20
)

func (r report) backupRatio() float64  { return r.OdooBackup / r.Backup }
func (r report) restoreRatio() float64 { return r.PlainRestore / r.Restore }

func (r report) reached() bool {
	return r.backupRatio() >= wantBackup && r.restoreRatio() >= wantRestore && r.BackupRSS <= wantRSS &&
		r.List <= wantList && r.Names <= wantNames && r.BackupExtraDisk <= slack && r.RestoreExtraDisk <= r.Restored+slack
}

func (r report) print(w io.Writer) {
	mib := func(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }
	fmt.Fprintf(w, "database %s, as dump.sql %s, file store %s in %d files\n\n", mib(r.Database), mib(r.Dump), mib(r.Filestore), r.Files)
	fmt.Fprintf(w, "backup   odpm          %6.1f s  archive %s, peak memory %s, disk beyond the archive %s\n", r.Backup, mib(r.Archive), mib(r.BackupRSS), mib(r.BackupExtraDisk))
	fmt.Fprintf(w, "         Odoo's way    %6.1f s  archive %s\n", r.OdooBackup, mib(r.OdooArchive))
	fmt.Fprintf(w, "         ratio         %6.2f    wanted %.1f\n", r.backupRatio(), wantBackup)
	fmt.Fprintf(w, "restore  odpm          %6.1f s  peak memory %s, peak disk %s for %s restored\n", r.Restore, mib(r.RestoreRSS), mib(r.RestoreExtraDisk), mib(r.Restored))
	fmt.Fprintf(w, "         unzip + psql  %6.1f s\n", r.PlainRestore)
	fmt.Fprintf(w, "         ratio         %6.2f    wanted %.1f\n", r.restoreRatio(), wantRestore)
	fmt.Fprintf(w, "verify   odpm          %6.1f s\n", r.Verify)
	fmt.Fprintf(w, "list     odpm          %6.2f s  wanted %.1f, %d databases\n", r.List, wantList, listed)
	fmt.Fprintf(w, "         names alone   %6.3f s  wanted %.1f\n", r.Names, wantNames)
	if !r.reached() {
		fmt.Fprintln(w, "\nNOT REACHED")
	}
}
