package main

import (
	"context"
	"os"
	"path/filepath"
)

// odooBackup is odoo/service/db.py, dump_db: copy the file store, pg_dump to a
// file, deflate both with Python's zipfile.
func (p *place) odooBackup(ctx context.Context, port int, database, store, to string) error {
	dir, err := os.MkdirTemp(p.tmp(), "odoo")
	if err != nil {
		return err
	}
	if err := p.sh(ctx, "cp", "-r", store, filepath.Join(dir, "filestore")); err != nil {
		return err
	}
	if err := p.shAt(ctx, port, "pg_dump", "--no-owner", "--file="+filepath.Join(dir, "dump.sql"), database); err != nil {
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

// plainRestore is what a person types, and what odoo/service/db.py, restore_db, does
// before it loads the registry.
func (p *place) plainRestore(ctx context.Context, port int, from, database, store string) error {
	dir, err := os.MkdirTemp(p.tmp(), "plain")
	if err != nil {
		return err
	}
	if err := p.sh(ctx, "unzip", "-q", from, "-d", dir); err != nil {
		return err
	}
	if err := p.shAt(ctx, port, "createdb", "-T", "template0", "-E", "UTF8", "--lc-collate=C", database); err != nil {
		return err
	}
	if err := p.shAt(ctx, port, "psql", "-X", "-q", "-o", os.DevNull, "-f", filepath.Join(dir, "dump.sql"), database); err != nil {
		return err
	}
	return os.Rename(filepath.Join(dir, "filestore"), store)
}
