package main

import (
	"context"
	"os"
	"path/filepath"
)

// odooBackup is odoo/service/db.py, dump_db: copy the file store, pg_dump to a
// file, deflate both with Python's zipfile.
func (p *place) odooBackup(ctx context.Context, to string) error {
	dir, err := os.MkdirTemp(p.tmp(), "odoo")
	if err != nil {
		return err
	}
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
