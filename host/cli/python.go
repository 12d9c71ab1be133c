package cli

import (
	"path"
	"regexp"
	"strings"

	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/shell"
)

// pythonFlags are flags of Python odpm that this odpm does not have, with the
// nearest that there is.
var pythonFlags = map[string]string{
	"plan":        "odpm plan",
	"t":           "docker compose run --rm odoo odoo -d NAME -u MODULES --test-enable --stop-after-init",
	"test":        "docker compose run --rm odoo odoo -d NAME -u MODULES --test-enable --stop-after-init",
	"odoo-bin":    "docker compose run --rm odoo odoo …",
	"translate":   "docker compose run --rm odoo odoo -d NAME --modules=MODULE --i18n-export=FILE --stop-after-init",
	"sql-execute": "docker compose exec db psql -U postgres -d NAME -f -",
	"build-image": "odpm builds the image with the checker when it is needed; for a different Odoo set ODOO_IMAGE in .env",
	"update-lock": "there is no lock file: odpm.json names the versions, ODOO_IMAGE and POSTGRES_IMAGE the images",
}

// pythonCommands are its commands.
var pythonCommands = map[string]string{
	"manifest": "odpm.json is edited by hand; odpm plan says what is wrong with it",
	"modules":  "odpm -d NAME -i MODULES, -u MODULES",
	"run":      "odpm, or odpm -d NAME",
	"scaffold": "docker compose run --rm odoo odoo scaffold NAME /mnt/extra-addons",
	"pull":     "ssh HOST odpm -d NAME --db-backup, scp the archive, then odpm -d NAME --db-restore FILE",
}

// pythonFlag is the nearest of ours to a flag of Python odpm, "" for none.
func pythonFlag(name string) string {
	if near := pythonFlags[name]; near != "" {
		return ". It is a flag of Python odpm; the nearest here: " + filledIn(near)
	}
	return ""
}

// filledIn says so where something is to be filled in.
func filledIn(near string) string {
	if capitals.MatchString(near) {
		return near + " (replace the words in capitals)"
	}
	return near
}

var capitals = regexp.MustCompile(`\b(NAME|MODULES?|FILE|HOST)\b`)

// notModules: Python odpm's --init takes a link to a repository.
func notModules(flag, value string) error {
	if strings.Contains(value, "://") || strings.HasPrefix(value, "git@") || strings.HasSuffix(value, ".git") {
		dir := strings.TrimSuffix(path.Base(strings.ReplaceAll(value, ":", "/")), ".git")
		return ui.Usagef("%s takes modules to install; %s is a repository, which Python odpm's --init took. Clone it and go there: git clone %s && cd %s && odpm init",
			flag, value, shell.Quote(value), shell.Quote(dir))
	}
	return nil
}
