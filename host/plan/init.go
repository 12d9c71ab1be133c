package plan

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/durable"
)

// newFile is one file that init proposes.
type newFile struct {
	name, content string
	mode          os.FileMode
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
db_password = odoo
`
)

// Init is `odpm init`.
func Init(ctx context.Context, o Options, fromCompose string) error {
	files := []newFile{{".env", firstEnv, 0o644}, {"odpm.json", firstManifest, 0o644}, {"odoo.conf", firstConf, 0o600}}
	var after []string
	if fromCompose != "" {
		var err error
		if files, after, err = proposed(ctx, o, fromCompose); err != nil {
			return err
		}
	}
	info, err := os.Stat(o.Dir)
	if err != nil || !info.IsDir() {
		return fmt.Errorf("%s is not a directory; make it first: mkdir -p %s", o.Dir, shellQuote(o.Dir))
	}
	wrote := 0
	for _, f := range files {
		path := filepath.Join(o.Dir, f.name)
		if _, err := os.Lstat(path); err == nil {
			o.Term.Say("%s exists and is left as it is", f.name)
			if fromCompose != "" {
				o.Term.Say("it would have been:\n%s", ui.CleanLines(mask(f.content)))
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

func proposed(context.Context, Options, string) ([]newFile, []string, error) { return nil, nil, nil }
