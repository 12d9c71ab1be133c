// Package setup is what comes before the first run: the first files of a
// project, and a look at what this machine lacks.
package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/odpm/odpm/host/apply"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/durable"
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

// Init is `odpm init`.
func Init(ctx context.Context, o apply.Options, first First, fromCompose string) error {
	info, err := os.Stat(o.Dir)
	if err != nil || !info.IsDir() {
		return fmt.Errorf("%s is not a directory; create it first: mkdir -p %s", o.Dir, shell.Quote(o.Dir))
	}
	var files []newFile
	var after []string
	if fromCompose != "" {
		files, after, err = proposed(ctx, o, fromCompose)
	} else {
		files, err = first.files(o.Dir)
	}
	if err != nil {
		return err
	}
	wrote := 0
	for _, f := range files {
		path := filepath.Join(o.Dir, f.name)
		old, err := os.ReadFile(path)
		if f.merged && (err == nil || errors.Is(err, fs.ErrNotExist)) {
			o.Term.Say("%s gets what odpm's own docker-compose.yml has no place for:\n%s", f.name, ui.CleanLines(diff(f.name, old, []byte(f.content))))
			if st, err := os.Stat(path); err == nil {
				f.mode = st.Mode().Perm()
			}
		} else if err == nil && f.extends {
			if string(old) == f.content {
				o.Term.Say("%s has everything already", f.name)
				continue
			}
			o.Term.Say("%s gets what it lacks:\n%s", f.name, ui.CleanLines(redact.Text(strings.TrimPrefix(f.content, string(old)))))
		} else if err == nil {
			o.Term.Say("%s exists and is left as it is", f.name)
			if fromCompose != "" {
				o.Term.Say("it would have been:\n%s", ui.CleanLines(redact.Text(f.content)))
			}
			continue
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := durable.WriteFile(path, []byte(f.content), f.mode); err != nil {
			return err
		}
		wrote++
		o.Term.Say("%s written", f.name)
	}
	for _, line := range after {
		o.Term.Say("%s", ui.Clean(line))
	}
	if wrote > 0 {
		o.Term.Say("Look at them, then: odpm plan")
	}
	return nil
}

// diff shows what changes in a file, without secrets.
func diff(name string, old, new []byte) string {
	return udiff.Unified(name, name, redact.Text(string(old)), redact.Text(string(new)))
}
