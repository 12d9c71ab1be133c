package project

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/odpm/odpm/host/project/tag"
	"github.com/odpm/odpm/shared/jsonpos"
	"github.com/odpm/odpm/shared/regular"
)

// manifest is what odpm takes from odpm.json, v1 flat or v2 nested. Keys it
// does not use are left alone.
type manifest struct {
	found                           bool
	postgres, odoo, platform, image string
	// postgresBad and odooBad are set where something stands in their place
	// that is no version, and has been complained about.
	postgresBad, odooBad bool
	// where they are, for what is found out later.
	postgresAt, odooAt, platformAt jsonpos.Place
	services                       map[string]any
	// misspelt are warnings about keys.
	misspelt []string
	// python: Python odpm wrote it. confOptions is odoo_conf.options.
	python      bool
	confOptions map[string]string
	warnings    []string
}

// OldestMajor is the oldest PostgreSQL that the suites run against. Older ones
// differ in what adoption relies on: roles, single-user mode, DROP DATABASE.
const OldestMajor = 12

// versionTag is a tag of the postgres image that starts with a major.
var versionTag = regexp.MustCompile(`^[0-9]{1,3}([.-][0-9A-Za-z._-]*|(beta|rc)[0-9]+.*)?$`)

// odooVersion is a release of Odoo: 18.0, 17, saas-17.4, 18.0-20250101.
var odooVersion = regexp.MustCompile(`^(saas[-~])?([0-9]{1,2})(\.[0-9]+)?([.-][0-9A-Za-z._-]*)?$`)

// maxFile is more than any file has that people write for odpm.
const maxFile = 4 << 20

func readManifest(dir string, proposed Files, errs *Errors) (*manifest, error) {
	m := &manifest{}
	data, err := proposed.read(filepath.Join(dir, "odpm.json"))
	if errors.Is(err, os.ErrNotExist) {
		return m, dangling(filepath.Join(dir, "odpm.json"))
	}
	if err != nil {
		return nil, fmt.Errorf("odpm.json: %w", err)
	}
	m.found = true
	top, err := object(data, "odpm.json")
	if err != nil {
		return nil, err
	}
	r := newReader("odpm.json", data, top, errs)
	m.misspelt = r.misspelt(top, manifestKeys)
	if schema, ok := top["manifest_schema"]; ok && fmt.Sprint(schema) != "1" {
		if fmt.Sprint(schema) != "2" {
			at := r.value(top, "manifest_schema")
			return nil, &ConfigError{File: "odpm.json", Line: at.Line, Column: at.Column, Key: "manifest_schema", Found: fmt.Sprint(schema), Allowed: "allowed: 1 or 2"}
		}
		m.readNested(r, top)
	} else {
		m.postgresBad = r.complains(func() { m.postgres, m.postgresAt = r.oneVersion(member{top, "postgres_version"}) })
		m.odooBad = r.complains(func() { m.odoo, m.odooAt = r.oneVersion(member{top, "odoo_version"}) })
		m.platform, m.platformAt = r.text(top, "platform_name"), r.value(top, "platform_name")
	}
	m.readPython(r, top)
	switch major := tag.Major(m.postgres); {
	case m.postgres == "":
	case !versionTag.MatchString(m.postgres):
		r.badAt(m.postgresAt, "postgres_version", m.postgres, `allowed: a tag of the postgres image that starts with the major, "15", "15.6" or "16-alpine"`)
	case major < OldestMajor:
		r.badAt(m.postgresAt, "postgres_version", m.postgres, fmt.Sprintf("allowed: PostgreSQL %d or newer, the only ones that odpm is tested on; move the data first: pg_dumpall with the old server, then an empty data directory of a newer one", OldestMajor))
	}
	if m.odoo != "" && !odooVersion.MatchString(m.odoo) {
		r.badAt(m.odooAt, "odoo_version", m.odoo, `allowed: a release of Odoo, "18.0"`)
	}
	if m.platform != "" && !serviceName.MatchString(m.platform) {
		r.badAt(m.platformAt, "platform_name", m.platform, "allowed: letters, digits, . _ -, as it names {platform_name}.conf")
	}
	return m, nil
}

// readNested takes v2: postgres and platform are objects; a plain string is
// taken for the version and the name.
func (m *manifest) readNested(r *jsonReader, top map[string]any) {
	section := func(name, plain string) map[string]any {
		switch v := top[name].(type) {
		case nil:
			return map[string]any{}
		case map[string]any:
			return v
		case string, json.Number:
			alone := map[string]any{plain: v}
			r.stands(alone, []string{name})
			return alone
		default:
			r.wrong(top, name, v, "an object")
			return map[string]any{}
		}
	}
	var pg, platform, odoo map[string]any
	m.postgresBad = r.complains(func() {
		pg = section("postgres", "version")
		m.postgres, m.postgresAt = r.oneVersion(member{pg, "version"}, member{pg, "postgres_version"}, member{top, "postgres_version"})
	})
	m.odooBad = r.complains(func() {
		platform, odoo = section("platform", "name"), section("odoo", "version")
		m.odoo, m.odooAt = r.oneVersion(member{platform, "odoo_version"}, member{platform, "version"}, member{odoo, "version"}, member{top, "odoo_version"})
	})
	m.image = r.text(pg, "image")
	for _, at := range []member{{platform, "name"}, {platform, "platform_name"}, {top, "platform_name"}} {
		if v := r.text(at.in, at.key); v != "" && m.platform == "" {
			m.platform, m.platformAt = v, r.value(at.in, at.key)
		}
	}
	switch v := top["services"].(type) {
	case nil:
	case map[string]any:
		m.services = v
	default:
		r.wrong(top, "services", v, "an object of compose services")
	}
}

func readSettings(dir string, lookup func(string) (string, bool), errs *Errors) (u UserSettings, near []string, err error) {
	data, err := regular.Read(filepath.Join(dir, "user_settings.json"), maxFile)
	if errors.Is(err, os.ErrNotExist) {
		return u, nil, dangling(filepath.Join(dir, "user_settings.json"))
	}
	if err != nil {
		return u, nil, fmt.Errorf("user_settings.json: %w", err)
	}
	top, err := object(data, "user_settings.json")
	if err != nil {
		return u, nil, err
	}
	r := newReader("user_settings.json", data, top, errs)
	r.lookup = lookup
	near = append(r.misspelt(top, settingsKeys), passedOver(top)...)
	u.ManagerPassword, u.ManagerPasswordUnset = r.secret(top, "db_manager_password")
	u.InitModules, u.UpdateModules = r.list(top, "init_modules"), r.list(top, "update_modules")
	switch c := top["db_creation_data"].(type) {
	case nil:
	case map[string]any:
		u.AdminLogin = r.text(c, "db_default_admin_login")
		u.AdminPassword, u.AdminPasswordUnset = r.secret(c, "db_default_admin_password")
		u.AdminPasswordFile = r.text(c, "db_default_admin_password_file")
		if u.AdminPasswordFile != "" && (u.AdminPassword != "" || u.AdminPasswordUnset != nil) {
			r.bad(c, "db_default_admin_password_file", u.AdminPasswordFile, "db_default_admin_password is set too; keep one of the two")
		} else if u.AdminPasswordFile != "" && !filepath.IsAbs(u.AdminPasswordFile) {
			u.AdminPasswordFile = filepath.Join(dir, u.AdminPasswordFile)
		}
		u.Language = first(r.text(c, "db_lang"), r.text(c, "language"), r.text(c, "lang"))
		u.Demo = r.boolean(c, "create_demo") || r.boolean(c, "demo")
	default:
		r.wrong(top, "db_creation_data", c, "an object")
	}
	return u, near, nil
}

// object reads one JSON object; numbers keep their text, so that 15.10 stays 15.10.
func object(data []byte, file string) (map[string]any, error) {
	text := bytes.TrimPrefix(data, []byte("\ufeff"))
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var top map[string]any
	place, why := jsonpos.Place{}, ""
	if err := dec.Decode(&top); err != nil {
		place, why = jsonpos.Explain(text, err)
	} else if dec.More() {
		place, why = jsonpos.At(text, int(dec.InputOffset())), "not a JSON object: something follows the JSON object"
	}
	if why != "" {
		return nil, &ConfigError{File: file, Line: place.Line, Column: place.Column, Allowed: why}
	}
	return top, nil
}

var moduleName = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
