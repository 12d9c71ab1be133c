package project

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/odpm/odpm/host/wording"
)

// Keys are all that odpm reads from .env and from the environment; the table in
// docs/reference/project-files.md has the same.
var Keys = []string{
	"BACKUP_DIR", "COMPOSE_PROJECT_NAME", "GEVENT_PORT", "ODOO_BIND", "ODOO_COMMAND", "ODOO_DATA_DIR", "ODOO_FILESTORE_DIR", "ODOO_FILESTORE_DIRS",
	"ODOO_IMAGE", "ODOO_PORT", "ODOO_SERVICE_NAME", "ODPM_CHECKER", "ODPM_COMPOSE", "ODPM_COMPOSE_NETWORK", "ODPM_COMPOSE_NETWORK_EXTERNAL", "ODPM_COMPOSE_PREFIX", "ODPM_PG_BINDIR",
	"ODPM_POSTGRES", "ODPM_POSTGRES_ADMIN_URL", "ODPM_RUNTIME", "ODPM_SCENARIO", "ODPM_SELINUX", "POSTGRES_BIND", "POSTGRES_DATA_DIR",
	"POSTGRES_IMAGE", "POSTGRES_ODOO_PASS", "POSTGRES_ODOO_USER", "POSTGRES_PORT", "POSTGRES_SERVICE_NAME",
}

// manifestKeys are those of odpm.json, and settingsKeys those of
// user_settings.json, in either form and at any depth.
var (
	manifestKeys = []string{"manifest_schema", "postgres_version", "odoo_version", "platform_name", "postgres", "platform", "odoo", "services", "version", "name", "image",
		"sidecars", "odoo_conf", "options", "git", "scenarios", "service_patches", "hooks", "database", "dependencies",
		"odpm_version", "python_version", "distro_name", "distro_version", "requirements_txt", "odoo_git_link", "odoo_build_date"}
	settingsKeys = []string{"init_modules", "update_modules", "db_creation_data", "db_default_admin_login", "db_default_admin_password",
		"db_default_admin_password_file", "db_lang", "create_demo", "db_manager_password",
		"db_country_code", "dev_mode", "developing_project", "sql_queries", "use_oca_dependencies", "create_module_links"}
)

// misspelt warns of keys in the two .env files that are nearly odpm's. Others
// are left alone: Compose and the project's own services read the same file.
func (l *loader) misspelt() error {
	for _, key := range slices.Sorted(maps.Keys(l.env.source)) {
		at := l.env.source[key]
		if at.line == 0 || slices.Contains(Keys, key) || slices.Contains(Keys, strings.TrimPrefix(key, "ODPM_")) {
			continue
		}
		near := wording.Nearest(key, Keys)
		if plain, prefixed := strings.CutPrefix(key, "ODPM_"); prefixed && near == "" {
			if near = wording.Nearest(plain, Keys); near != "" {
				near = "ODPM_" + near
			}
		}
		if near != "" {
			l.p.Warnings = append(l.p.Warnings, fmt.Sprintf("%s: odpm does not read %s; did you mean %s?", at, key, near))
		} else if strings.HasPrefix(key, "ODPM_") {
			l.p.Warnings = append(l.p.Warnings, fmt.Sprintf("%s: odpm does not read %s", at, key))
		}
	}
	return nil
}

// misspelt lists keys of a JSON file that are nearly those that odpm reads, each
// as a warning. Keys of other programs are left alone.
func (r *jsonReader) misspelt(top map[string]any, known []string) []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(top)) {
		if slices.Contains(known, key) {
			if inner, ok := top[key].(map[string]any); ok && !slices.Contains([]string{"services", "sidecars", "options", "scenarios", "service_patches", "hooks"}, key) {
				out = append(out, r.misspelt(inner, known)...)
			}
			continue
		}
		if near := wording.Nearest(key, known); near != "" {
			at := r.key(top, key)
			out = append(out, fmt.Sprintf("%s:%d:%d: odpm does not read %s; did you mean %s?", r.file, at.Line, at.Column, key, near))
		}
	}
	return out
}
