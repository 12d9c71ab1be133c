package main

import (
	"fmt"
	"io"
	"runtime"
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
	// Floor is what the machine's cores allow: the CPU seconds of pg_restore -j and of
	// unzip, shared among them.
	Floor float64
	// Restored is what a restored database and file store take.
	Restored               int64
	Verify                 float64
	VerifyRSS, RehearseRSS int64
	// List and Names are `database list` and `--get-dbs-list` over many databases;
	// FirstList is the list that nobody had asked for before, a login in each.
	FirstList, List, Names float64
	Small                  smallReport
}

// smallReport is of a database as most people have it.
type smallReport struct {
	Database, Filestore                       int64
	Backup, OdooBackup, Restore, PlainRestore float64
}

// figure is one that is promised.
type figure struct {
	name     string
	measured string
	wanted   string
	reached  bool
}

const (
	wantBackup, wantRestore         = 5.0, 1.8
	wantSmallBackup, wantSmallPlain = 0.5, 0.7
	wantFloor                       = 1.1
	wantVerify                      = 300e6
	wantList, wantNames             = 1.0, 0.1
	wantRSS                         = 64 << 20
	// slack is for directories and the rounding of files to blocks.
	slack = 32 << 20
)

func mib(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

// figures are all that were measured: those of the large database only where it was.
func (r report) figures() []figure {
	s := r.Small
	all := []figure{
		atMost("small: backup, of Odoo's way", s.Backup/s.OdooBackup, wantSmallBackup, fmt.Sprintf("%.2f s and %.2f", s.Backup, s.OdooBackup)),
		atMost("small: restore, of unzip and psql", s.Restore/s.PlainRestore, wantSmallPlain, fmt.Sprintf("%.2f s and %.2f", s.Restore, s.PlainRestore)),
		atMost(fmt.Sprintf("list of %d databases, s", listed), r.List, wantList, fmt.Sprintf("the first %.1f", r.FirstList)),
		atMost("names alone, s", r.Names, wantNames, ""),
	}
	if r.Database == 0 {
		return all
	}
	memory := func(what string, rss int64) figure {
		return figure{"peak memory of " + what, mib(rss), "≤ " + mib(wantRSS), rss <= wantRSS}
	}
	return append(all,
		atLeast("backup, times Odoo's way", r.OdooBackup/r.Backup, wantBackup, fmt.Sprintf("%.1f s and %.1f", r.Backup, r.OdooBackup)),
		atLeast("restore, times unzip and psql", r.PlainRestore/r.Restore, wantRestore, fmt.Sprintf("%.1f s and %.1f", r.Restore, r.PlainRestore)),
		atMost(fmt.Sprintf("restore, of CPU seconds of pg_restore -j and unzip / %d cores", runtime.NumCPU()), r.Restore/r.Floor, wantFloor, fmt.Sprintf("%.1f s and %.1f", r.Restore, r.Floor)),
		atLeast("verify, MB/s of archive", float64(r.Archive)/r.Verify/1e6, wantVerify/1e6, fmt.Sprintf("%.1f s", r.Verify)),
		memory("backup", r.BackupRSS), memory("restore", r.RestoreRSS), memory("verify", r.VerifyRSS), memory("rehearse", r.RehearseRSS),
		figure{"disk of backup beyond the archive", mib(r.BackupExtraDisk), "≤ " + mib(slack), r.BackupExtraDisk <= slack},
		figure{"disk of restore", mib(r.RestoreExtraDisk), "≤ " + mib(r.Restored+slack), r.RestoreExtraDisk <= r.Restored+slack})
}

func atMost(name string, ratio, wanted float64, detail string) figure {
	return figure{name, measured(ratio, detail), fmt.Sprintf("≤ %.1f", wanted), ratio <= wanted}
}

func atLeast(name string, ratio, wanted float64, detail string) figure {
	return figure{name, measured(ratio, detail), fmt.Sprintf("≥ %.1f", wanted), ratio >= wanted}
}

func measured(ratio float64, detail string) string {
	if detail == "" {
		return fmt.Sprintf("%.3f", ratio)
	}
	return fmt.Sprintf("%.2f (%s)", ratio, detail)
}

func (r report) reached() bool {
	for _, f := range r.figures() {
		if !f.reached {
			return false
		}
	}
	return true
}

func (r report) print(w io.Writer) {
	fmt.Fprintf(w, "small database %s, file store %s\n", mib(r.Small.Database), mib(r.Small.Filestore))
	if r.Database > 0 {
		fmt.Fprintf(w, "database %s, as dump.sql %s, file store %s in %d files; archive %s, Odoo's %s\n", mib(r.Database), mib(r.Dump), mib(r.Filestore), r.Files, mib(r.Archive), mib(r.OdooArchive))
	}
	fmt.Fprintln(w)
	for _, f := range r.figures() {
		mark := "PASS"
		if !f.reached {
			mark = "FAIL"
		}
		fmt.Fprintf(w, "%-62s %-24s %-12s %s\n", f.name, f.measured, f.wanted, mark)
	}
}
