package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// A small database is what most people have: 50 MB, and 150 MB of files.
const (
	smallRows, smallFiles = 60_000, 4_600
	small                 = "small"
)

// small measures a small database with the program as a person runs it, against what
// Odoo's own dump_db and restore_db do (the latter without loading the registry, which
// would cost it seconds more).
func (p *place) small(ctx context.Context, rep *report, j *project) error {
	p.step("make a small database")
	fixture, err := filepath.Abs(fixture())
	if err != nil {
		return err
	}
	if _, err := j.odpm(ctx, "-d", small, "--db-restore", fixture, "--yes"); err != nil {
		return err
	}
	c, err := j.admin(ctx, small)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	if err := fillTables(ctx, c.Conn, j.filestore(small), smallRows, smallFiles); err != nil {
		return err
	}
	if err := c.QueryRow(ctx, `SELECT pg_catalog.pg_database_size(pg_catalog.current_database())`).Scan(&rep.Small.Database); err != nil {
		return err
	}
	rep.Small.Filestore = blocks(j.filestore(small))
	own, odoos := filepath.Join(p.backups(), "small.zip"), filepath.Join(p.backups(), "small-odoo.zip")
	for round := range max(p.o.Repeat, 2) {
		if err := errors.Join(os.RemoveAll(own), os.RemoveAll(odoos)); err != nil {
			return err
		}
		restored, plain := fmt.Sprintf("small_restored%d", round), fmt.Sprintf("small_plain%d", round)
		for _, m := range []struct {
			into *float64
			do   func() error
		}{
			{&rep.Small.Backup, func() error { _, err := j.odpm(ctx, "-d", small, "--db-backup", own); return err }},
			{&rep.Small.OdooBackup, func() error { return p.odooBackup(ctx, j.port, small, j.filestore(small), odoos) }},
			{&rep.Small.Restore, func() error { _, err := j.odpm(ctx, "-d", restored, "--db-restore", own, "--yes"); return err }},
			{&rep.Small.PlainRestore, func() error { return p.plainRestore(ctx, j.port, odoos, plain, j.filestore(plain)) }},
		} {
			seconds, err := timed(m.do)
			if err != nil {
				return err
			}
			best(m.into, seconds)
		}
	}
	p.step("backup %.2f s and %.2f, restore %.2f s and %.2f", rep.Small.Backup, rep.Small.OdooBackup, rep.Small.Restore, rep.Small.PlainRestore)
	return nil
}
