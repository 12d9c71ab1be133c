// Package setup is what comes before the first run: the first files of a
// project, and a look at what this machine lacks.
package setup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/odpm/odpm/host/apply"
	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/durable"
	"github.com/odpm/odpm/shared/redact"
	"github.com/odpm/odpm/shared/shell"
)

// newFile is one file that init proposes.
type newFile struct {
	name, content string
	mode          os.FileMode
	// extends: what is there stays byte for byte in content.
	extends bool
}

// First versions of the files of a new project.
const (
	firstEnv = `# What this machine needs; odpm.json holds what the project is.
# The project's .env wins over ~/.odpm/.env, the environment over both.
POSTGRES_PORT=5432
ODOO_PORT=8069
GEVENT_PORT=8072
# developer, server or ci
ODPM_SCENARIO=developer
# POSTGRES_DATA_DIR=/srv/postgresql/data
# BACKUP_DIR=~/odoo_backups
# The password of the role that Odoo logs in as; keep this file out of repositories.
POSTGRES_ODOO_PASS=%s
`
	firstManifest = `{
  "odoo_version": "18.0",
  "platform_name": "odoo",
  "postgres_version": "17"
}
`
	firstConf = `[options]
db_host = db
db_port = 5432
db_user = odoo
`
)

// Init is `odpm init`.
func Init(ctx context.Context, o apply.Options, fromCompose string) error {
	// The password is in .env alone: odoo.conf must be readable for whatever
	// uid the image's Odoo has.
	files := []newFile{{name: ".env", content: fmt.Sprintf(firstEnv, rand.Text()), mode: 0o600}, {name: "odpm.json", content: firstManifest, mode: 0o644},
		{name: "odoo.conf", content: firstConf, mode: 0o644}}
	var after []string
	if fromCompose != "" {
		var err error
		if files, after, err = proposed(ctx, o, fromCompose); err != nil {
			return err
		}
	}
	info, err := os.Stat(o.Dir)
	if err != nil || !info.IsDir() {
		return fmt.Errorf("%s is not a directory; make it first: mkdir -p %s", o.Dir, shell.Quote(o.Dir))
	}
	wrote := 0
	for _, f := range files {
		path := filepath.Join(o.Dir, f.name)
		if old, err := os.ReadFile(path); err == nil && f.extends {
			if string(old) == f.content {
				o.Term.Say("%s says it all already", f.name)
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

// proposed reads somebody's compose file and proposes files with which the
// same data, ports, names and login go on.
func proposed(ctx context.Context, o apply.Options, file string) ([]newFile, []string, error) {
	env := map[string]string{}
	for _, kv := range o.Environ {
		if k, v, ok := strings.Cut(kv, "="); ok {
			env[k] = v
		}
	}
	project.LearnFile(o.Term.Secrets, file)
	f, err := compose.Read(ctx, file, env)
	if err != nil {
		return nil, nil, err
	}
	o.Term.Secrets.Add(f.Secrets()...)
	p := f.Propose(o.Dir)
	if p.Blocking() {
		r := &ui.Refusal{What: "odpm cannot continue from " + file + " as it is. Nothing was written."}
		for _, x := range p.Problems {
			if x.Blocking {
				r.Details = append(r.Details, ui.Clean(x.Message))
				if x.Way != "" {
					r.Ways = append(r.Ways, ui.Clean(x.Way))
				}
			}
		}
		return nil, nil, r
	}
	var after []string
	for _, x := range p.Problems {
		line := "note: " + x.Message
		if x.Way != "" {
			line += ". " + x.Way
		}
		after = append(after, line)
	}
	existing, err := os.ReadFile(filepath.Join(o.Dir, ".env"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	content, differing, err := p.EnvFile(existing)
	if err != nil {
		return nil, nil, err
	}
	for _, key := range differing {
		after = append(after, "note: .env already says "+key+", and differently")
	}
	return []newFile{{name: ".env", content: string(content), mode: 0o600, extends: true},
		{name: "odpm.json", content: string(p.Manifest), mode: 0o644}}, after, nil
}
