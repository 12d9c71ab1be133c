package filestore

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/odpm/odpm/shared/beneath"
	"github.com/odpm/odpm/shared/shell"
)

// LinkError is a file store, or the directory of all of them, that is a link.
type LinkError struct {
	// Link is the link, Target where it says that the files are, absolute.
	Link, Target string
	// Setting is the line of .env that makes odpm use Target, "" where there is none.
	Setting, EnvFile string
}

func (e *LinkError) Error() string {
	s := fmt.Sprintf("%s is a symbolic link to %q. Odoo can write there, so anybody who broke into it could have made it, and odpm does not follow it.", e.Link, e.Target)
	if e.Setting == "" {
		return s + fmt.Sprintf("\nPut a directory in its place, with Odoo stopped; to remove the link: rm %s", shell.Quote(e.Link))
	}
	return s + fmt.Sprintf("\nIf you made it and Odoo's files are there, say so in .env, where no container can write: printf '\\n%%s\\n' %s >>%s"+
		"\nIf not, remove the link: rm %s", shell.Quote(e.Setting), shell.Quote(e.EnvFile), shell.Quote(e.Link))
}

// unrecorded turns a link where a file store should be into an error that says
// how to record where it leads to; database is "" for all of them.
func (l Layout) unrecorded(err error, database string) error {
	var link *beneath.LinkError
	if !errors.As(err, &link) {
		return err
	}
	e := &LinkError{Link: link.Path, Target: link.Target, EnvFile: l.EnvFile}
	if e.EnvFile == "" {
		e.EnvFile = ".env"
	}
	if !filepath.IsAbs(e.Target) {
		dir := filepath.Dir(link.Path)
		if real, err := filepath.EvalSymlinks(l.DataDir); err == nil {
			if rel, err := filepath.Rel(l.DataDir, dir); err == nil {
				dir = filepath.Join(real, rel)
			}
		}
		e.Target = filepath.Join(dir, e.Target)
	}
	// What the container can write is no place to record, and text that a
	// terminal or .env would take for something else no text to print.
	if !l.containers(e.Target) && plain(e.Target) && plain(database) {
		e.Setting = "ODOO_FILESTORE_DIR='" + e.Target + "'"
		if database != "" {
			e.Setting = "ODOO_FILESTORE_DIRS='" + l.with(database, e.Target) + "'"
		}
	}
	return e
}

// plain text means itself between single quotes in .env.
func plain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r == '\'' || r == unicode.ReplacementChar || !unicode.IsPrint(r) })
}

// with is the value of ODOO_FILESTORE_DIRS with one database more.
func (l Layout) with(database, path string) string {
	all := map[string]string{database: path}
	for db, dir := range l.Databases {
		if db != database {
			all[db] = dir
		}
	}
	var words []string
	for db, dir := range all {
		words = append(words, word(db+"="+dir))
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

// word makes one word of a command line; single quotes are taken already.
func word(s string) string {
	if shell.Quote(s) == s {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", `$`, `\$`).Replace(s) + `"`
}

// containers says whether a path is, or lies, where Odoo's container can write.
func (l Layout) containers(path string) bool {
	for _, dir := range l.mounted() {
		if within(path, dir) {
			return true
		}
	}
	return false
}

// below says whether a path lies inside of what Odoo's container can write.
func (l Layout) below(path string) bool { return l.containers(filepath.Dir(path)) }

func (l Layout) mounted() []string {
	dirs := []string{l.DataDir}
	if l.Dir != "" {
		dirs = append(dirs, l.Dir)
	}
	for _, dir := range l.Databases {
		dirs = append(dirs, dir)
	}
	return dirs
}

// within tells whether path is dir or lies below it, by either of dir's names.
func within(path, dir string) bool {
	for _, d := range []string{dir, resolved(dir)} {
		if rel, err := filepath.Rel(d, path); err == nil && filepath.IsLocal(rel) {
			return true
		}
	}
	return false
}

func resolved(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// IsLink says whether err is about a link in the place of a file store.
func IsLink(err error) bool {
	var link *LinkError
	return errors.As(err, &link)
}

// Setting is the line of .env that names a database's file store.
func (l Layout) Setting(database, path string) string {
	return "ODOO_FILESTORE_DIRS='" + l.with(database, path) + "'"
}
