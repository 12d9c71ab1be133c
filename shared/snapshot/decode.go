package snapshot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/odpm/odpm/shared/jsonpos"
)

// MaxSize bounds the file: the container can write it, so it is untrusted.
const MaxSize = 64 << 10

// maxText bounds one text member; PATH_MAX is the longest that can be real.
const maxText = 4096

// maxDepth bounds the nesting of members that nobody here knows: they are
// indented again when they are written, and a few kilobytes of brackets would
// become hundreds of megabytes.
const maxDepth = 32

// Decode reads a snapshot strictly: types and ranges are checked, a member
// may stand once, nothing may follow the object. Members it does not know are
// kept for Encode.
func Decode(data []byte) (*Snapshot, error) { return decode(data, data) }

// DecodeMember reads a snapshot that is a member of the object in file, which is
// JSON. Its errors have the places in file: that is what a person corrects.
func DecodeMember(file []byte, name string, value json.RawMessage) (*Snapshot, error) {
	return decode(value, file, name)
}

// decode reads data, to which the members "in" of file lead.
func decode(data, file []byte, in ...string) (*Snapshot, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrInvalid, MaxSize)
	}
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("%w: not UTF-8", ErrInvalid)
	}
	if depth(data) > maxDepth {
		return nil, fmt.Errorf("%w: nested more than %d levels deep", ErrInvalid, maxDepth)
	}
	top, err := members(data)
	var twice *twiceError
	switch {
	case errors.As(err, &twice):
		return nil, fmt.Errorf("%w: %s%w", ErrInvalid, jsonpos.Value(file, append(in, twice.name)...), err)
	case errors.Is(err, errNoObject):
		return nil, fmt.Errorf("%w: %s%w", ErrInvalid, jsonpos.Value(file, in...), err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	r := &reader{data: file, in: in, unknown: map[string]map[string][]byte{}}
	s := r.snapshot(top)
	if r.err != nil {
		return nil, r.err
	}
	if len(r.unknown) > 0 {
		s.unknown = r.unknown
	}
	return s, nil
}

// depth is how deep brackets outside of strings nest.
func depth(data []byte) (deepest int) {
	level, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			level++
			deepest = max(deepest, level)
		case c == '}' || c == ']':
			level--
		}
	}
	return deepest
}

// members splits one JSON object, refusing duplicates and what follows it.
func members(data []byte) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	broken := func(err error) error {
		var all json.RawMessage
		if whole := json.Unmarshal(data, &all); whole != nil {
			err = whole // a token's error has another offset
		}
		place, why := jsonpos.Explain(data, err)
		return fmt.Errorf("%s%s", place, why)
	}
	if t, err := dec.Token(); err != nil {
		return nil, broken(err)
	} else if t != json.Delim('{') {
		return nil, errNoObject
	}
	out := map[string]json.RawMessage{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, broken(err)
		}
		name := t.(string)
		if _, twice := out[name]; twice {
			return nil, &twiceError{name}
		}
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			return nil, broken(err)
		}
		out[name] = v
	}
	if _, err := dec.Token(); err != nil {
		return nil, broken(err)
	}
	rest := bytes.TrimLeft(data[dec.InputOffset():], " \t\r\n")
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("%ssomething follows the object", jsonpos.At(data, len(data)-len(rest)))
	}
	return out, nil
}

// errNoObject: it is JSON of another kind.
var errNoObject = errors.New("not a JSON object")

// twiceError is a member that appears twice in one object.
type twiceError struct{ name string }

func (e *twiceError) Error() string { return fmt.Sprintf("member %q appears twice", e.name) }

// reader takes members one by one and remembers the first thing wrong.
type reader struct {
	err error
	// data is the file, and in the members of it that lead to the snapshot.
	data    []byte
	in      []string
	unknown map[string]map[string][]byte
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
	}
}

// failAt names the place of a member's value.
func (r *reader) failAt(at, name, format string, args ...any) {
	names := slices.Clone(r.in)
	if at != "" {
		names = append(names, at)
	}
	r.fail("%s%s %s", jsonpos.Value(r.data, append(names, name)...), path(at, name), fmt.Sprintf(format, args...))
}

func (r *reader) snapshot(m map[string]json.RawMessage) *Snapshot {
	s := &Snapshot{}
	// The version comes first: a newer file may have another shape.
	version := r.integer(m, "", "schema_version", 1, math.MaxInt32, true)
	if r.err == nil && version > SchemaVersion {
		r.err = fmt.Errorf("%w: schema_version %d, this program knows %d", ErrNewer, version, SchemaVersion)
	}
	if r.err != nil {
		return nil
	}
	if e := r.text(m, "", "engine", true); r.err == nil && e != EnginePostgres {
		r.failAt("", "engine", "is %q, allowed: %q", e, EnginePostgres)
	}
	s.Scenario = r.text(m, "", "odpm_scenario", true)
	s.HandoffID = r.text(m, "", "handoff_id", false)
	s.StartID = r.text(m, "", "start_id", false)
	if at := r.text(m, "", "recorded_at", true); r.err == nil {
		t, err := parseTime(at)
		if err != nil {
			r.failAt("", "recorded_at", "is %q, which is not a time such as 2006-01-02T15:04:05+00:00", at)
		}
		s.RecordedAt = t
	}
	r.cluster(r.object(m, "cluster"), &s.Cluster)
	r.compose(r.object(m, "compose"), &s.Compose)
	r.odooConf(r.object(m, "odoo_conf"), &s.OdooConf)
	r.keep("", m, "cluster", "compose", "odoo_conf")
	return s
}

func (r *reader) cluster(m map[string]json.RawMessage, c *Cluster) {
	const at = "cluster"
	c.AppRole = r.text(m, at, "app_role", true)
	c.AppRolePresent = r.boolean(m, at, "app_role_present", false)
	if b := r.boolean(m, at, "data_dir_nonempty", true); b != nil {
		c.DataDirNonempty = *b
	}
	c.PGMajor = r.integer(m, at, "pg_major", 1, 999, false)
	c.SystemIdentifier = r.text(m, at, "system_identifier", false)
	if id := c.SystemIdentifier; id != "" {
		if _, err := strconv.ParseUint(id, 10, 64); err != nil {
			r.failAt(at, "system_identifier", "is %q, which is not a string of digits that fits 64 bits", id)
		}
	}
	r.keep(at, m)
}

func (r *reader) compose(m map[string]json.RawMessage, c *Compose) {
	const at = "compose"
	c.ProjectName = r.text(m, at, "compose_project_name", false)
	c.OdooServiceName = r.text(m, at, "odoo_service_name", false)
	c.ServiceName = r.text(m, at, "service_name", true)
	c.DataPathAbs = r.text(m, at, "data_path_abs", true)
	c.HostPort = r.integer(m, at, "host_port", 1, 65535, true)
	c.ImageTag = r.text(m, at, "image_tag", true)
	r.keep(at, m)
}

func (r *reader) odooConf(m map[string]json.RawMessage, c *OdooConf) {
	const at = "odoo_conf"
	c.DBHost = r.text(m, at, "db_host", false)
	c.DBPort = r.integer(m, at, "db_port", 0, 65535, false)
	c.DBUser = r.text(m, at, "db_user", false)
	r.keep(at, m)
}

// take removes a member from m; null counts as absent, as Python odpm writes
// None for what it does not know.
func (r *reader) take(m map[string]json.RawMessage, at, name string, required bool) json.RawMessage {
	v, ok := m[name]
	delete(m, name)
	if !ok || string(v) == "null" {
		if required {
			r.failAt(at, name, "is missing")
		}
		return nil
	}
	return v
}

func (r *reader) object(m map[string]json.RawMessage, name string) map[string]json.RawMessage {
	v := r.take(m, "", name, true)
	if v == nil {
		return nil
	}
	o, err := members(v)
	if err != nil {
		var twice *twiceError
		if errors.As(err, &twice) {
			r.failAt(name, twice.name, "appears twice")
		}
		r.failAt("", name, "is not an object")
	}
	return o
}

func (r *reader) text(m map[string]json.RawMessage, at, name string, required bool) string {
	v := r.take(m, at, name, required)
	if v == nil {
		return ""
	}
	var s string
	if json.Unmarshal(v, &s) != nil {
		r.failAt(at, name, "is %s, expected a string", excerpt(v))
		return ""
	}
	if len(s) > maxText {
		r.failAt(at, name, "is longer than %d bytes", maxText)
	}
	if !Printable(s) {
		r.failAt(at, name, "contains a control character")
		return ""
	}
	if required && s == "" {
		r.failAt(at, name, "is empty")
	}
	return s
}

// Printable says whether a text can be a member: UTF-8 without characters that
// steer a terminal, end a line, turn the writing direction or hide. The two
// joiners are spelling in several languages.
func Printable(s string) bool {
	for _, c := range s {
		switch {
		case c == 0x200c || c == 0x200d:
		case unicode.IsControl(c), unicode.In(c, unicode.Cf, unicode.Zl, unicode.Zp), c == utf8.RuneError:
			return false
		}
	}
	return true
}

func (r *reader) integer(m map[string]json.RawMessage, at, name string, low, high int, required bool) int {
	v := r.take(m, at, name, required)
	if v == nil {
		return 0
	}
	n, err := strconv.Atoi(string(v))
	if err != nil {
		r.failAt(at, name, "is %s, expected a whole number", excerpt(v))
		return 0
	}
	if n < low || n > high {
		r.failAt(at, name, "is %d, allowed: %d to %d", n, low, high)
	}
	return n
}

func (r *reader) boolean(m map[string]json.RawMessage, at, name string, required bool) *bool {
	v := r.take(m, at, name, required)
	if v == nil {
		return nil
	}
	var b bool
	if json.Unmarshal(v, &b) != nil {
		r.failAt(at, name, "is %s, expected true or false", excerpt(v))
	}
	return &b
}

// keep remembers what is left of an object.
func (r *reader) keep(at string, m map[string]json.RawMessage, known ...string) {
	for _, k := range known {
		delete(m, k)
	}
	for name, v := range m {
		if r.unknown[at] == nil {
			r.unknown[at] = map[string][]byte{}
		}
		r.unknown[at][name] = v
	}
}

func path(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}

// excerpt shows a value of the wrong type without letting it reach a terminal raw.
func excerpt(v json.RawMessage) string {
	s := strconv.QuoteToASCII(string(v))
	if len(s) > 60 {
		s = s[:60] + "…"
	}
	return s
}

// parseTime takes what Python's datetime.isoformat writes, with or without a
// fraction, and RFC 3339.
func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		// Python writes no offset for a naive time; odpm's are UTC.
		t, err = time.Parse("2006-01-02T15:04:05", strings.SplitN(s, ".", 2)[0])
	}
	// Another zone's new year can be a year that has no four digits in UTC.
	if t = t.UTC(); err == nil && (t.Year() < 1 || t.Year() > 9999) {
		err = errors.New("out of range")
	}
	return t, err
}
