package project

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/odpm/odpm/host/project/tag"
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
	services             map[string]any
	// misspelt are warnings about keys.
	misspelt []string
	// python: Python odpm wrote it. confOptions is odoo_conf.options.
	python      bool
	confOptions map[string]string
	warnings    []string
}

// oldestMajor is the oldest PostgreSQL that the suites run against. Older ones
// differ in what adoption relies on: roles, single-user mode, DROP DATABASE.
const oldestMajor = 12

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
	r := &jsonReader{file: "odpm.json", data: data, errs: errs}
	m.misspelt = r.misspelt(top, manifestKeys)
	if schema, ok := top["manifest_schema"]; ok && fmt.Sprint(schema) != "1" {
		if fmt.Sprint(schema) != "2" {
			return nil, &ConfigError{File: "odpm.json", Line: r.line("manifest_schema"), Key: "manifest_schema", Found: fmt.Sprint(schema), Allowed: "allowed: 1 or 2"}
		}
		m.readNested(r, top)
	} else {
		m.postgresBad = r.complains(func() { m.postgres = r.version(top, "postgres_version") })
		m.odooBad = r.complains(func() { m.odoo = r.version(top, "odoo_version") })
		m.platform = r.text(top, "platform_name")
	}
	m.readPython(r, top)
	switch major := tag.Major(m.postgres); {
	case m.postgres == "":
	case !versionTag.MatchString(m.postgres):
		r.bad("postgres_version", m.postgres, `allowed: a tag of the postgres image that starts with the major, "15", "15.6" or "16-alpine"`)
	case major < oldestMajor:
		r.bad("postgres_version", m.postgres, fmt.Sprintf("allowed: PostgreSQL %d or newer, what odpm does to a cluster is tried on those alone; move the data first: pg_dumpall with the old server, then an empty data directory of a newer one", oldestMajor))
	}
	if m.odoo != "" && !odooVersion.MatchString(m.odoo) {
		r.bad("odoo_version", m.odoo, `allowed: a release of Odoo, "18.0"`)
	}
	if m.platform != "" && !serviceName.MatchString(m.platform) {
		r.bad("platform_name", m.platform, "allowed: letters, digits, . _ -, as it names {platform_name}.conf")
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
			return map[string]any{plain: v}
		default:
			r.wrong(name, v, "an object")
			return map[string]any{}
		}
	}
	var pg, platform, odoo map[string]any
	m.postgresBad = r.complains(func() {
		pg = section("postgres", "version")
		m.postgres = first(r.version(pg, "version"), r.version(pg, "postgres_version"), r.version(top, "postgres_version"))
	})
	m.odooBad = r.complains(func() {
		platform, odoo = section("platform", "name"), section("odoo", "version")
		m.odoo = first(r.version(platform, "odoo_version"), r.version(platform, "version"), r.version(odoo, "version"), r.version(top, "odoo_version"))
	})
	m.image = r.text(pg, "image")
	m.platform = first(r.text(platform, "name"), r.text(platform, "platform_name"), r.text(top, "platform_name"))
	switch v := top["services"].(type) {
	case nil:
	case map[string]any:
		m.services = v
	default:
		r.wrong("services", v, "an object of compose services")
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
	r := &jsonReader{file: "user_settings.json", data: data, errs: errs, lookup: lookup}
	near = r.misspelt(top, settingsKeys)
	u.ManagerPassword, u.ManagerPasswordUnset = r.secret(top, "db_manager_password")
	u.InitModules, u.UpdateModules = r.list(top, "init_modules"), r.list(top, "update_modules")
	switch c := top["db_creation_data"].(type) {
	case nil:
	case map[string]any:
		u.AdminLogin = r.text(c, "db_default_admin_login")
		u.AdminPassword, u.AdminPasswordUnset = r.secret(c, "db_default_admin_password")
		u.AdminPasswordFile = r.text(c, "db_default_admin_password_file")
		if u.AdminPasswordFile != "" && (u.AdminPassword != "" || u.AdminPasswordUnset != nil) {
			r.bad("db_default_admin_password_file", u.AdminPasswordFile, "db_default_admin_password is set too; keep one of the two")
		} else if u.AdminPasswordFile != "" && !filepath.IsAbs(u.AdminPasswordFile) {
			u.AdminPasswordFile = filepath.Join(dir, u.AdminPasswordFile)
		}
		u.Language = first(r.text(c, "db_lang"), r.text(c, "language"), r.text(c, "lang"))
		u.Demo = r.boolean(c, "create_demo") || r.boolean(c, "demo")
	default:
		r.wrong("db_creation_data", c, "an object")
	}
	return u, near, nil
}

// object reads one JSON object; numbers keep their text, so that 15.10 stays 15.10.
func object(data []byte, file string) (map[string]any, error) {
	text := bytes.TrimPrefix(data, []byte("\ufeff"))
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var top map[string]any
	err := dec.Decode(&top)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return nil, notJSON(file, text, syntax.Offset, strings.TrimPrefix(err.Error(), "json: "))
	case errors.As(err, &kind):
		return nil, &ConfigError{File: file, Allowed: kind.Value + " found; allowed: a JSON object"}
	case errors.Is(err, io.EOF):
		return nil, &ConfigError{File: file, Allowed: "the file is empty; allowed: a JSON object"}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, notJSON(file, text, int64(len(text)), "the file ends here, and a bracket or a quote is still open")
	case err != nil:
		return nil, &ConfigError{File: file, Allowed: "not a JSON object: " + err.Error()}
	}
	if dec.More() {
		return nil, notJSON(file, text, dec.InputOffset()+1, "something follows the JSON object")
	}
	return top, nil
}

// notJSON says where: offset bytes had been read, the last one was wrong. A
// column counts characters.
func notJSON(file string, text []byte, offset int64, why string) error {
	before := text[:max(0, min(int(offset)-1, len(text)))]
	if at := bytes.TrimRight(before, " \t\r\n"); strings.HasPrefix(why, "the file ends") {
		before = at
	}
	start := bytes.LastIndexByte(before, '\n') + 1
	return &ConfigError{File: file, Line: 1 + bytes.Count(before, []byte("\n")), Column: 1 + utf8.RuneCount(before[start:]), Allowed: "not a JSON object: " + why}
}

type jsonReader struct {
	file   string
	data   []byte
	errs   *Errors
	lookup func(string) (string, bool)
}

func (r *jsonReader) line(key string) int {
	at := bytes.Index(r.data, []byte(strconv.Quote(key)))
	if at < 0 {
		return 0
	}
	return 1 + bytes.Count(r.data[:at], []byte("\n"))
}

func (r *jsonReader) bad(key, found, allowed string) {
	*r.errs = append(*r.errs, &ConfigError{File: r.file, Line: r.line(key), Key: key, Found: found, Allowed: allowed})
}

// wrong is a value of the wrong type. A list or an object is named, not shown.
func (r *jsonReader) wrong(key string, v any, allowed string) {
	switch v := v.(type) {
	case []any:
		r.bad(key, "", "found a list; allowed: "+allowed)
	case map[string]any:
		r.bad(key, "", "found an object; allowed: "+allowed)
	default:
		r.bad(key, fmt.Sprint(v), "allowed: "+allowed)
	}
}

// complains tells whether reading found something bad.
func (r *jsonReader) complains(read func()) bool {
	before := len(*r.errs)
	read()
	return len(*r.errs) > before
}

func (r *jsonReader) text(m map[string]any, key string) string {
	switch v := m[key].(type) {
	case nil:
		return ""
	case string:
		return strings.TrimSpace(v)
	default:
		r.wrong(key, v, "a string")
		return ""
	}
}

// version takes a string or a number: people write both.
func (r *jsonReader) version(m map[string]any, key string) string {
	if n, ok := m[key].(json.Number); ok {
		return n.String()
	}
	return r.text(m, key)
}

// secret takes ${NAME}, ${NAME:-default} and ${@secret:NAME} from the environment, so that a password need not
// stand in a file. A colleague without that variable can still work on
// everything else, so unset is not yet an error of the file.
func (r *jsonReader) secret(m map[string]any, key string) (value string, unset error) {
	v, ok := m[key].(string)
	if !ok {
		if m[key] != nil {
			r.bad(key, "", "a password is a JSON string, in quotes (the value is not shown)")
		}
		return "", nil
	}
	name, isRef := strings.CutPrefix(v, "${")
	name, closed := strings.CutSuffix(name, "}")
	if !isRef || !closed {
		return v, nil
	}
	name, fallback, hasFallback := strings.Cut(name, ":-")
	if secret, ok := strings.CutPrefix(name, "@secret:"); ok {
		name = secret // Python odpm's: a variable that it never shows
	}
	if got, ok := r.lookup(name); ok {
		return got, nil
	}
	if hasFallback {
		return fallback, nil
	}
	return "", &ConfigError{File: r.file, Line: r.line(key), Key: key, Found: v, Allowed: name + " is not set in .env or the environment"}
}

func (r *jsonReader) boolean(m map[string]any, key string) bool {
	switch v := m[key].(type) {
	case nil:
		return false
	case bool:
		return v
	default:
		r.wrong(key, v, "true or false")
		return false
	}
}

// list takes an array of names or a comma-separated string.
func (r *jsonReader) list(m map[string]any, key string) []string {
	var out []string
	add := func(s string) {
		for _, w := range strings.Split(s, ",") {
			if w = strings.TrimSpace(w); w != "" {
				out = append(out, w)
			}
		}
	}
	switch v := m[key].(type) {
	case nil:
	case string:
		add(v)
	case []any:
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				r.wrong(key, e, "names of modules")
				return nil
			}
			add(s)
		}
	default:
		r.wrong(key, v, "a list of module names")
	}
	for _, w := range out {
		if !moduleName.MatchString(w) {
			r.bad(key, w, "allowed: names of Odoo modules (letters, digits, _)")
		}
	}
	return out
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
