// Package setup is what comes before the first run: the first files of a
// project, and a look at what this machine lacks.
package setup

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/odpm/odpm/host/apply"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/shared/durable"
	"github.com/odpm/odpm/shared/odooconf"
	"github.com/odpm/odpm/shared/redact"
	"github.com/odpm/odpm/shared/shell"
)

// newFile is one file that init proposes.
type newFile struct {
	name, content string
	mode          os.FileMode
	// extends: what is there stays byte for byte in content. merged: it is
	// merged with what is there.
	extends, merged bool
}

// First versions of the files of a new project.
const (
	firstEnv = `# What this machine needs; odpm.json holds what the project is.
# The project's .env wins over ~/.odpm/.env, the environment over both.
POSTGRES_PORT=%d
ODOO_PORT=%d
GEVENT_PORT=%d
# developer, server or ci
ODPM_SCENARIO=developer
# POSTGRES_DATA_DIR=/srv/postgresql/data
# BACKUP_DIR=~/odoo_backups
# The password of the role that Odoo logs in as; keep this file out of repositories.
POSTGRES_ODOO_PASS=%s
`
	firstConf = `[options]
db_host = db
db_port = 5432
db_user = odoo
`
)

// Change is what init did with a file.
type Change string

const (
	// Written: there was none.
	Written Change = "written"
	// Extended: what it lacked was added, Merged: it was merged with what it had.
	Extended Change = "extended"
	Merged   Change = "merged"
	// Complete: it has everything already. Left: it exists and is left as it is.
	Complete Change = "complete"
	Left     Change = "left"
)

// FileReport is one file. Detail is what it gets, or what it would have been,
// secrets masked.
type FileReport struct {
	Name   string
	Change Change
	Detail string
}

// Report is what init did, in order, and what is worth knowing about it.
type Report struct {
	Files []FileReport
	Notes []string
}

// Wrote tells whether any file was written.
func (r Report) Wrote() bool {
	return slices.ContainsFunc(r.Files, func(f FileReport) bool { return f.Change != Complete && f.Change != Left })
}

// Init is `odpm init`. With an error the report has what was done before it.
func Init(ctx context.Context, o apply.Options, first First, fromCompose string) (rep Report, err error) {
	switch info, err := os.Stat(o.Dir); {
	case errors.Is(err, fs.ErrNotExist):
		return rep, wording.WithNext(errors.New(wording.NoSuchPath(o.Dir)), "To make it", "mkdir -p "+shell.Quote(o.Dir))
	case err != nil:
		return rep, err
	case !info.IsDir():
		return rep, ui.Usagef("%s is not a directory; -C takes the project's directory", o.Dir)
	}
	var files []newFile
	var after []string
	if fromCompose != "" {
		files, after, err = proposed(ctx, o, fromCompose)
	} else {
		conf, unread := odooconf.Load(filepath.Join(o.Dir, "odoo.conf"))
		if unread != nil {
			conf = nil // the next command says what is wrong with one that is there
		}
		if files, err = first.files(o.Dir, conf); err == nil {
			files[0].content, err = first.unsaid(files[0].content, o, conf)
		}
	}
	if err != nil {
		return rep, err
	}
	for _, f := range files {
		path := filepath.Join(o.Dir, f.name)
		old, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return rep, err
		}
		did := f.change(old, err == nil)
		if did.Change == Left && fromCompose == "" {
			did.Detail = ""
		}
		if did.Change != Complete && did.Change != Left {
			if st, err := os.Stat(path); err == nil && did.Change == Merged {
				f.mode = st.Mode().Perm()
			}
			if err := durable.WriteFile(path, []byte(f.content), f.mode); err != nil {
				return rep, err
			}
		}
		rep.Files = append(rep.Files, did)
	}
	if fromCompose == "" {
		after = first.unapplied(o)
	}
	for _, line := range after {
		rep.Notes = append(rep.Notes, ui.Clean(line))
	}
	return rep, nil
}

// change is what becomes of a file where there is one with the content old, or none.
func (f newFile) change(old []byte, exists bool) FileReport {
	did := FileReport{Name: f.name, Change: Written}
	switch {
	case f.merged:
		did.Change = Merged
		did.Detail = ui.CleanLines(diff(f.name, old, []byte(f.content)))
	case !exists:
	case f.extends && string(old) == f.content:
		did.Change = Complete
	case f.extends:
		did.Change = Extended
		did.Detail = ui.CleanLines(redact.Text(strings.TrimPrefix(f.content, string(old))))
	default:
		did.Change = Left
		did.Detail = ui.CleanLines(redact.Text(f.content))
	}
	return did
}

// diff shows what changes in a file, without secrets.
func diff(name string, old, new []byte) string {
	return udiff.Unified(name, name, redact.Text(string(old)), redact.Text(string(new)))
}
