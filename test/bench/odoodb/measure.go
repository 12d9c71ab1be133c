package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/odpm/odpm/host/odoodb"
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
}

const (
	wantBackup, wantRestore = 3.0, 1.5
	wantRSS                 = 100 << 20
	// slack is for directories and the rounding of files to blocks.
	slack = 32 << 20
)

func (r report) backupRatio() float64  { return r.OdooBackup / r.Backup }
func (r report) restoreRatio() float64 { return r.PlainRestore / r.Restore }

func (r report) reached() bool {
	return r.backupRatio() >= wantBackup && r.restoreRatio() >= wantRestore && r.BackupRSS <= wantRSS &&
		r.BackupExtraDisk <= slack && r.RestoreExtraDisk <= r.Restored+slack
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
	if !r.reached() {
		fmt.Fprintln(w, "\nNOT REACHED")
	}
}

// steps says on stderr what goes on: the whole takes minutes.
func (p *place) step(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s  %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}

func (p *place) measure(ctx context.Context) (rep report, err error) {
	p.step("make a cluster, a database and a file store in %s", p.Dir)
	if err := p.start(ctx); err != nil {
		return rep, err
	}
	if err := p.fill(ctx); err != nil {
		return rep, err
	}
	if err := p.sizes(ctx, &rep); err != nil {
		return rep, err
	}
	own, odoos := filepath.Join(p.backups(), "odpm.zip"), filepath.Join(p.backups(), "odoo.zip")

	// Each side's best run counts: what else goes on on the machine only ever
	// makes a run slower.
	for round := range p.o.Repeat {
		if err := p.backups1(ctx, &rep, own, odoos); err != nil {
			return rep, err
		}
		if err := p.restores1(ctx, &rep, own, odoos, round == p.o.Repeat-1); err != nil {
			return rep, err
		}
	}
	p.step("verify")
	rep.Verify, err = timed(func() error { _, err := odoodb.Verify(ctx, own, odoodb.VerifyOptions{}); return err })
	return rep, err
}

// best keeps the shortest time.
func best(into *float64, seconds float64) {
	if *into == 0 || seconds < *into {
		*into = seconds
	}
}

func (p *place) backups1(ctx context.Context, rep *report, own, odoos string) error {
	if err := errors.Join(os.RemoveAll(own), os.RemoveAll(odoos)); err != nil {
		return err
	}
	p.step("backup with odpm")
	var c childResult
	seconds, disk, err := p.watched(func() (err error) {
		c, err = p.child(ctx, childJob{Verb: "backup", File: own, Database: source})
		return err
	})
	if err != nil {
		return err
	}
	best(&rep.Backup, seconds)
	rep.Archive, rep.Dump = c.Bytes, c.DumpBytes
	rep.BackupRSS, rep.BackupExtraDisk = max(rep.BackupRSS, c.RSS), max(rep.BackupExtraDisk, disk-c.Bytes)
	p.step("%.1f s; backup as Odoo does it", seconds)
	if seconds, err = timed(func() error { return p.odooBackup(ctx, odoos) }); err != nil {
		return err
	}
	p.step("%.1f s", seconds)
	best(&rep.OdooBackup, seconds)
	rep.OdooArchive = size(odoos)
	return nil
}

func (p *place) restores1(ctx context.Context, rep *report, own, odoos string, last bool) error {
	p.step("restore with odpm")
	var c childResult
	seconds, disk, err := p.watched(func() (err error) {
		c, err = p.child(ctx, childJob{Verb: "restore", File: own, Database: "restored"})
		return err
	})
	if err != nil {
		return err
	}
	best(&rep.Restore, seconds)
	rep.RestoreRSS, rep.RestoreExtraDisk = max(rep.RestoreRSS, c.RSS), max(rep.RestoreExtraDisk, disk)
	restored, err := p.databaseSize(ctx, "restored")
	if err != nil {
		return err
	}
	rep.Restored = restored + blocks(p.filestore("restored"))
	p.step("%.1f s; restore with unzip and psql", seconds)
	if seconds, err = timed(func() error { return p.plainRestore(ctx, odoos, "plain") }); err != nil {
		return err
	}
	p.step("%.1f s", seconds)
	best(&rep.PlainRestore, seconds)
	if last {
		return p.compare(ctx, "restored", "plain")
	}
	for _, db := range []string{"restored", "plain"} {
		if _, err := p.server().Drop(ctx, db); err != nil {
			return err
		}
	}
	return nil
}

func (p *place) databaseSize(ctx context.Context, name string) (n int64, err error) {
	c, err := p.server().Admin(ctx, "postgres")
	if err != nil {
		return 0, err
	}
	defer c.Close(ctx)
	return n, c.QueryRow(ctx, `SELECT pg_database_size($1)`, name).Scan(&n)
}

func (p *place) sizes(ctx context.Context, rep *report) (err error) {
	if rep.Database, err = p.databaseSize(ctx, source); err != nil {
		return err
	}
	return filepath.WalkDir(p.filestore(source), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			rep.Files++
			rep.Filestore += info.Size()
		}
		return err
	})
}

// odooBackup is odoo/service/db.py, dump_db: copy the file store, pg_dump to a
// file, deflate both with Python's zipfile.
func (p *place) odooBackup(ctx context.Context, to string) error {
	dir, err := os.MkdirTemp(p.tmp(), "odoo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := p.sh(ctx, "cp", "-r", p.filestore(source), filepath.Join(dir, "filestore")); err != nil {
		return err
	}
	if err := p.sh(ctx, "pg_dump", "--no-owner", "--file="+filepath.Join(dir, "dump.sql"), source); err != nil {
		return err
	}
	return p.sh(ctx, "python3", "-c", `
import os, sys, zipfile
top, to = sys.argv[1:]
with zipfile.ZipFile(to, "w", compression=zipfile.ZIP_DEFLATED, allowZip64=True) as z:
    z.write(os.path.join(top, "dump.sql"), "dump.sql")
    for d, _, names in os.walk(os.path.join(top, "filestore")):
        for n in names:
            f = os.path.join(d, n)
            z.write(f, os.path.relpath(f, top))
`, dir, to)
}

// plainRestore is what a person types.
func (p *place) plainRestore(ctx context.Context, from, database string) error {
	dir, err := os.MkdirTemp(p.tmp(), "plain")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := p.sh(ctx, "unzip", "-q", from, "-d", dir); err != nil {
		return err
	}
	if err := p.sh(ctx, "createdb", "-T", "template0", "-E", "UTF8", "--lc-collate=C", database); err != nil {
		return err
	}
	if err := p.sh(ctx, "psql", "-X", "-q", "-o", os.DevNull, "-f", filepath.Join(dir, "dump.sql"), database); err != nil {
		return err
	}
	return os.Rename(filepath.Join(dir, "filestore"), p.filestore(database))
}

// compare makes sure that both restores did the same work.
func (p *place) compare(ctx context.Context, a, b string) error {
	const sql = `SELECT (SELECT count(*) FROM bench_message) || ' ' || (SELECT count(*) FROM bench_line) || ' ' || (SELECT count(*) FROM ir_attachment) || ' '
		|| (SELECT count(*) FROM pg_index) || ' ' || (SELECT sum(hashtext(body)::bigint) FROM bench_message)`
	var got [2]string
	for i, db := range []string{a, b} {
		c, err := p.server().Admin(ctx, db)
		if err != nil {
			return err
		}
		err = c.QueryRow(ctx, sql).Scan(&got[i])
		c.Close(ctx)
		if err != nil {
			return err
		}
	}
	if got[0] != got[1] {
		return fmt.Errorf("the restored databases differ: %s and %s", got[0], got[1])
	}
	return nil
}

func timed(f func() error) (float64, error) {
	syscall.Sync() // nobody pays for what the one before has written
	start := time.Now()
	err := f()
	return time.Since(start).Seconds(), err
}

// watched also measures by how much the disk use peaks above what it was.
func (p *place) watched(f func() error) (seconds float64, disk int64, err error) {
	before := p.diskUse()
	done, ended := make(chan struct{}), make(chan int64)
	go func() {
		peak := before
		tick := time.NewTicker(2 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				peak = max(peak, p.diskUse())
			case <-done:
				ended <- max(peak, p.diskUse())
				return
			}
		}
	}()
	seconds, err = timed(f)
	close(done)
	return seconds, <-ended - before, err
}

// diskUse counts every inode once, as du does. PostgreSQL's write-ahead log is
// left out: its size is the server's setting and not a backup's or a restore's.
func (p *place) diskUse() int64 { return blocks(p.Dir) }

func blocks(dir string) (n int64) {
	seen := map[uint64]bool{}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // files come and go
		}
		if d.IsDir() {
			if d.Name() == "pg_wal" {
				return fs.SkipDir
			}
			return nil
		}
		if info, err := d.Info(); err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok && !seen[st.Ino] {
				seen[st.Ino] = true
				n += st.Blocks * 512
			}
		}
		return nil
	})
	return n
}

func size(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return st.Size()
}

var commandContext = exec.CommandContext

const childVerb = "as-odpm"

// childJob is what a process of its own does, whose memory is then odpm's.
type childJob struct {
	Verb, File, Database string
	Place                *place
}

type childResult struct{ RSS, Bytes, DumpBytes int64 }

func (p *place) child(ctx context.Context, j childJob) (res childResult, err error) {
	self, err := os.Executable()
	if err != nil {
		return res, err
	}
	j.Place = p
	in, err := json.Marshal(j)
	if err != nil {
		return res, err
	}
	cmd := exec.CommandContext(ctx, self, childVerb)
	cmd.Env = append(os.Environ(), "TMPDIR="+p.tmp())
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return res, fmt.Errorf("%s with odpm: %w", j.Verb, err)
	}
	return res, json.Unmarshal(out, &res)
}

func runChild(ctx context.Context) error {
	var j childJob
	if err := json.NewDecoder(os.Stdin).Decode(&j); err != nil {
		return err
	}
	var res childResult
	switch s := j.Place.server(); j.Verb {
	case "backup":
		r, err := s.Backup(ctx, odoodb.BackupOptions{Database: j.Database, File: j.File, OdooVersion: "18.0"})
		if err != nil || len(r.Warnings) > 0 {
			return errors.Join(err, fmt.Errorf("warnings: %q", r.Warnings))
		}
		res.Bytes, res.DumpBytes = r.Bytes, r.DumpBytes
	case "restore":
		if _, err := s.Restore(ctx, odoodb.RestoreOptions{File: j.File, Database: j.Database, OdooMajor: 18}); err != nil {
			return err
		}
	}
	var err error
	if res.RSS, err = peakMemory(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(res)
}

var highWater = regexp.MustCompile(`VmHWM:\s+([0-9]+) kB`)

func peakMemory() (int64, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	m := highWater.FindStringSubmatch(strings.TrimSpace(string(b)))
	if m == nil {
		return 0, errors.New("/proc/self/status has no VmHWM")
	}
	kb, err := strconv.ParseInt(m[1], 10, 64)
	return kb << 10, err
}
