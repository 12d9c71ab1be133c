package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// step says on stderr what goes on: the whole takes minutes.
func (p *place) step(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s  %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}

func (p *place) measure(ctx context.Context) (rep report, err error) {
	j, err := p.project(ctx)
	if err != nil {
		return rep, err
	}
	err = errors.Join(p.small(ctx, &rep, j), p.lists(ctx, &rep, j), j.stop(ctx))
	if err != nil || p.o.Small {
		return rep, err
	}
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
	// makes a run slower. Directories with many files stay until the end: ext4
	// looks at each inode that was freed in the last minutes before it makes a
	// file, and whoever comes next would pay several times for every one.
	for round := range p.o.Repeat {
		if err := p.backups1(ctx, &rep, own, odoos); err != nil {
			return rep, err
		}
		if err := p.restores1(ctx, &rep, own, odoos, round); err != nil {
			return rep, err
		}
	}
	p.step("restore with pg_restore -j, for what the cores allow")
	if rep.Floor, err = p.floor(ctx, own); err != nil {
		return rep, err
	}
	for range max(p.o.Repeat, 2) {
		p.step("verify")
		var c childResult
		seconds, err := timed(func() (err error) { c, err = p.child(ctx, childJob{Verb: "verify", File: own}); return err })
		if err != nil {
			return rep, err
		}
		best(&rep.Verify, seconds)
		rep.VerifyRSS = max(rep.VerifyRSS, c.RSS)
	}
	p.step("rehearse")
	c, err := p.child(ctx, childJob{Verb: "rehearse", File: own})
	rep.RehearseRSS = c.RSS
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
	if seconds, err = timed(func() error { return p.odooBackup(ctx, p.Port, source, p.filestore(source), odoos) }); err != nil {
		return err
	}
	p.step("%.1f s", seconds)
	best(&rep.OdooBackup, seconds)
	rep.OdooArchive = size(odoos)
	return nil
}

func (p *place) restores1(ctx context.Context, rep *report, own, odoos string, round int) error {
	restored, plain := fmt.Sprintf("restored%d", round), fmt.Sprintf("plain%d", round)
	p.step("restore with odpm")
	var c childResult
	seconds, disk, err := p.watched(func() (err error) {
		c, err = p.child(ctx, childJob{Verb: "restore", File: own, Database: restored})
		return err
	})
	if err != nil {
		return err
	}
	best(&rep.Restore, seconds)
	rep.RestoreRSS, rep.RestoreExtraDisk = max(rep.RestoreRSS, c.RSS), max(rep.RestoreExtraDisk, disk)
	size, err := p.databaseSize(ctx, restored)
	if err != nil {
		return err
	}
	rep.Restored = size + blocks(p.filestore(restored))
	p.step("%.1f s; restore with unzip and psql", seconds)
	if seconds, err = timed(func() error { return p.plainRestore(ctx, p.Port, odoos, plain, p.filestore(plain)) }); err != nil {
		return err
	}
	p.step("%.1f s", seconds)
	best(&rep.PlainRestore, seconds)
	if err := p.compare(ctx, restored, plain); err != nil {
		return err
	}
	return p.dropDatabases(ctx, restored, plain)
}

// dropDatabases leaves their file stores.
func (p *place) dropDatabases(ctx context.Context, names ...string) error {
	c, err := p.server().Admin(ctx, "postgres")
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	for _, name := range names {
		if _, err := c.Exec(ctx, "DROP DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
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

// compare makes sure that both restores did the same work.
func (p *place) compare(ctx context.Context, a, b string) error {
	const sql = `SELECT (SELECT count(*) FROM public.bench_message) || ' ' || (SELECT count(*) FROM public.bench_line) || ' ' || (SELECT count(*) FROM public.ir_attachment) || ' '
		|| (SELECT count(*) FROM pg_index) || ' ' || (SELECT sum(hashtext(body)::bigint) FROM public.bench_message)`
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
