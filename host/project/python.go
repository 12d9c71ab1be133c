package project

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/project/tag"
	"github.com/odpm/odpm/shared/snapshot"
)

// Python odpm 4 wrote odpm.json before this odpm did. What it means by a key is
// meant here too; what odpm does not support is named, never ignored.

// pythonDefault is the PostgreSQL that Python odpm takes where its manifest
// names none.
const pythonDefault = "13"

// pythonKeys tell a manifest of its first schema.
var pythonKeys = []string{"odpm_version", "python_version", "distro_name", "distro_version", "requirements_txt", "odoo_git_link", "odoo_build_date"}

// notHonoured are keys of its second schema that odpm does not act on, with
// where the same is said here.
var notHonoured = map[string]string{
	"scenarios":       "ODPM_SCENARIO in .env says developer, server or ci, and what a scenario changes in a service goes into docker-compose.override.yml",
	"service_patches": "what they change goes into docker-compose.override.yml",
	"hooks":           "odpm runs no hooks; call such commands before and after odpm",
	"database":        "db_creation_data of user_settings.json says how a database is made",
}

// settingsNotHonoured are such keys of its user_settings.json.
var settingsNotHonoured = map[string]string{
	"dev_mode":             "Odoo's --dev goes into its command, in docker-compose.override.yml",
	"sql_queries":          "odpm runs none; docker compose exec db psql does, once odpm has started PostgreSQL",
	"use_oca_dependencies": "odpm fetches no repositories; ODOO_IMAGE names an image that has them, or docker-compose.override.yml mounts them",
	"create_module_links":  "odpm makes no links; addons_path in odoo.conf names the directories with modules",
}

// passedOver are the warnings of what a person has set there.
func passedOver(top map[string]any) (warnings []string) {
	for _, key := range slices.Sorted(maps.Keys(settingsNotHonoured)) {
		if v := top[key]; v != nil && v != false && !emptyValue(v) {
			warnings = append(warnings, fmt.Sprintf("user_settings.json: %s is a key of Python odpm, which this odpm ignores: %s", key, settingsNotHonoured[key]))
		}
	}
	return warnings
}

// readPython takes what Python odpm's manifest says in its own way.
func (m *manifest) readPython(r *jsonReader, top map[string]any) {
	for _, key := range pythonKeys {
		if _, ok := top[key]; ok {
			m.python = true
		}
	}
	if m.odoo == "" && !m.odooBad {
		for _, section := range []any{top["platform"], top["odoo"]} {
			if s, ok := section.(map[string]any); ok {
				m.odoo = first(m.odoo, branchVersion(s["git"]), branchVersion(s["branch"]))
			}
		}
		m.odoo = first(m.odoo, branchVersion(top["odoo_git_link"]))
	}
	for _, key := range slices.Sorted(maps.Keys(notHonoured)) {
		if v := top[key]; v != nil && !emptyValue(v) {
			m.warnings = append(m.warnings, fmt.Sprintf("odpm.json: %s is a key of Python odpm, which this odpm ignores: %s", key, notHonoured[key]))
		}
	}
	switch v := top["sidecars"].(type) {
	case nil:
	case map[string]any:
		if m.services == nil {
			m.services = map[string]any{}
		}
		for name, def := range v {
			if _, twice := m.services[name]; twice {
				r.badAt(r.key(v, name), "sidecars", name, "services already has a service of the same name")
			}
			m.services[name] = def
		}
	default:
		r.wrong(top, "sidecars", v, "an object of compose services")
	}
	m.readOptions(r, top)
}

// readOptions takes odoo_conf.options.
func (m *manifest) readOptions(r *jsonReader, top map[string]any) {
	v := top["odoo_conf"]
	conf, ok := v.(map[string]any)
	if !ok {
		if v != nil {
			r.wrong(top, "odoo_conf", v, "an object with options")
		}
		return
	}
	options, ok := conf["options"].(map[string]any)
	if !ok {
		if conf["options"] != nil {
			r.wrong(conf, "options", conf["options"], "an object of options of odoo.conf")
		}
		return
	}
	m.confOptions = map[string]string{}
	for key, v := range options {
		switch v := v.(type) {
		case string:
			m.confOptions[key] = v
		case bool:
			m.confOptions[key] = map[bool]string{true: "True", false: "False"}[v]
		case json.Number:
			m.confOptions[key] = v.String()
		case []any:
			var words []string
			for _, w := range v {
				words = append(words, fmt.Sprint(w))
			}
			m.confOptions[key] = strings.Join(words, ",")
		case nil:
		default:
			r.wrong(options, key, v, "a value of odoo.conf")
		}
		if !optionName.MatchString(key) || strings.ContainsAny(m.confOptions[key], "\r\n") {
			r.badAt(r.key(options, key), "options", key, "allowed: names of odoo.conf's options with values of one line")
			delete(m.confOptions, key)
		}
	}
}

var optionName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

func emptyValue(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	case string:
		return v == ""
	}
	return false
}

// branchVersion is the release of Odoo in "URL BRANCH" or in a branch's name.
func branchVersion(v any) string {
	s, _ := v.(string)
	words := strings.Fields(s)
	if len(words) == 0 {
		return ""
	}
	if branch := words[len(words)-1]; odooVersion.MatchString(branch) {
		return branch
	}
	return ""
}

// foundPostgres is the version of a manifest that names none: what lies in the
// data directory, else what the last run was proven with, else what Python odpm
// takes. why is the reason, for a person.
func (l *loader) foundPostgres() (version, why string) {
	data, ok := l.env.get("POSTGRES_DATA_DIR")
	dirs := []string{path(data, l.p.Dir, l.home)}
	if !ok {
		parent := filepath.Join(l.p.Dir, "data", "postgresql", "var", "lib", "postgresql")
		dirs = []string{filepath.Join(parent, "data"), parent}
	}
	for _, dir := range dirs {
		if strings.HasPrefix(data, "volume:") {
			break
		}
		if look := datadir.Look(dir, 0); look.State == datadir.Initialised && look.Major > 0 {
			return strconv.Itoa(look.Major), "that is in " + dir
		}
	}
	if last, err := snapshot.Load(filepath.Join(l.p.Dir, ".odpm", "database", snapshot.FileName)); err == nil && tag.Major(last.Compose.ImageTag) > 0 {
		return last.Compose.ImageTag, "the last run was proven with it"
	}
	if l.m.python {
		return pythonDefault, "Python odpm assumes it"
	}
	return "", ""
}

// Placeholder tells a sentence that Python odpm writes into odoo.conf in the
// place of a value; it puts the value in inside the container.
func Placeholder(v string) bool {
	if strings.ContainsAny(v, "/$") {
		return false
	}
	for item := range strings.SplitSeq(v, ",") {
		// "addons, own, web" are three directories.
		if len(strings.Fields(item)) >= 3 {
			return true
		}
	}
	return false
}
