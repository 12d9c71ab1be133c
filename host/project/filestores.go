package project

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mattn/go-shellwords"

	"github.com/odpm/odpm/shared/snapshot"
)

// filestores reads where a person keeps file stores that are not in data/odoo.
// Odoo's container has them mounted and can write there, so none may hold
// anything else, and none may lie where the container could exchange it.
func (l *loader) filestores() {
	p := l.p
	if v, ok := l.env.get("ODOO_FILESTORE_DIR"); ok {
		p.FilestoreDir = path(v, p.Dir, l.home)
		l.filestoreDir("ODOO_FILESTORE_DIR", p.FilestoreDir)
	}
	v, ok := l.env.get("ODOO_FILESTORE_DIRS")
	if !ok {
		return
	}
	const form = "allowed: NAME=DIRECTORY for each database, with a space between two, quoted as for a shell"
	words := shellwords.NewParser()
	pairs, err := words.Parse(v)
	if err != nil || words.Position >= 0 {
		l.env.bad("ODOO_FILESTORE_DIRS", form, "")
		return
	}
	p.FilestoreDirs = map[string]string{}
	for _, pair := range pairs {
		// A database that has a file store has no slash in its name, so the
		// last "=" before the first slash ends it.
		first, _, _ := strings.Cut(pair, "/")
		at := strings.LastIndex(first, "=")
		if at < 1 || at == len(pair)-1 {
			l.env.bad("ODOO_FILESTORE_DIRS", form, "")
			return
		}
		p.FilestoreDirs[pair[:at]] = path(pair[at+1:], p.Dir, l.home)
	}
	taken := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(p.FilestoreDirs)) {
		dir := p.FilestoreDirs[name]
		if !l.filestoreDir("ODOO_FILESTORE_DIRS", dir) {
			return
		}
		if !snapshot.Printable(name) || name == "." || name == ".." {
			l.env.bad("ODOO_FILESTORE_DIRS", fmt.Sprintf("%q cannot be the name of a database with a file store", name), "")
			return
		}
		for other, database := range taken {
			if within(dir, other) || within(other, dir) {
				l.env.bad("ODOO_FILESTORE_DIRS", fmt.Sprintf("the databases %s and %s need a directory each, and none in the other's", database, name), "")
				return
			}
		}
		if p.FilestoreDir != "" && within(dir, p.FilestoreDir) {
			l.env.bad("ODOO_FILESTORE_DIRS", "allowed: a directory outside of ODOO_FILESTORE_DIR, where Odoo's container can write", "")
			return
		}
		taken[dir] = name
	}
}

// filestoreDir refuses a directory that Odoo's container must not be able to
// write, or where it could put another one in its place.
func (l *loader) filestoreDir(key, dir string) bool {
	p := l.p
	if !snapshot.Printable(dir) {
		l.env.bad(key, "allowed: a path of one line, without control characters", "")
		return false
	}
	for _, whole := range []string{"/", filepath.Clean(l.home), p.Dir, filepath.Join(p.Dir, "data")} {
		if dir == whole || within(whole, dir) {
			l.env.bad(key, "allowed: a directory of Odoo's file stores alone, not one that holds "+whole, "")
			return false
		}
	}
	for _, other := range []string{p.OdooDataDir, p.DataDir, p.BackupDir, filepath.Join(p.Dir, ".odpm")} {
		if other != "" && (within(other, dir) || within(dir, other)) {
			l.env.bad(key, "allowed: a directory of Odoo's file stores alone, not one that holds, or lies in, "+other, "")
			return false
		}
	}
	return true
}
