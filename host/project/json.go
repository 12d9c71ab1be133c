package project

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/odpm/odpm/shared/jsonpos"
)

// jsonReader takes values out of a JSON file that people write, and complains
// with their places.
type jsonReader struct {
	file   string
	data   []byte
	errs   *Errors
	lookup func(string) (string, bool)
	// paths are the members that lead to each object, by its map's identity.
	paths map[uintptr][]string
}

// newReader is for the object that data holds.
func newReader(file string, data []byte, top map[string]any, errs *Errors) *jsonReader {
	r := &jsonReader{file: file, data: data, errs: errs, paths: map[uintptr][]string{}}
	r.learn(top, nil)
	return r
}

func (r *jsonReader) learn(v any, path []string) {
	switch v := v.(type) {
	case map[string]any:
		r.stands(v, path)
		for key, inner := range v {
			r.learn(inner, append(path[:len(path):len(path)], key))
		}
	case []any:
		for i, inner := range v {
			r.learn(inner, append(path[:len(path):len(path)], strconv.Itoa(i)))
		}
	}
}

// stands says where an object is.
func (r *jsonReader) stands(m map[string]any, path []string) {
	r.paths[reflect.ValueOf(m).Pointer()] = path
}

func (r *jsonReader) path(m map[string]any, key string) []string {
	path := r.paths[reflect.ValueOf(m).Pointer()]
	return append(path[:len(path):len(path)], key)
}

// value and key are the places of a member's value and of its name.
func (r *jsonReader) value(m map[string]any, key string) jsonpos.Place {
	return jsonpos.Value(r.data, r.path(m, key)...)
}

func (r *jsonReader) key(m map[string]any, key string) jsonpos.Place {
	return jsonpos.Key(r.data, r.path(m, key)...)
}

func (r *jsonReader) bad(m map[string]any, key, found, allowed string) {
	r.badAt(r.value(m, key), key, found, allowed)
}

func (r *jsonReader) badAt(place jsonpos.Place, key, found, allowed string) {
	*r.errs = append(*r.errs, &ConfigError{File: r.file, Line: place.Line, Column: place.Column, Key: key, Found: found, Allowed: allowed})
}

// wrong is a value of the wrong type. A list or an object is named, not shown.
func (r *jsonReader) wrong(m map[string]any, key string, v any, allowed string) {
	r.wrongAt(r.value(m, key), key, v, allowed)
}

func (r *jsonReader) wrongAt(place jsonpos.Place, key string, v any, allowed string) {
	switch v := v.(type) {
	case []any:
		r.badAt(place, key, "", "found a list; allowed: "+allowed)
	case map[string]any:
		r.badAt(place, key, "", "found an object; allowed: "+allowed)
	default:
		r.badAt(place, key, fmt.Sprint(v), "allowed: "+allowed)
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
		r.wrong(m, key, v, "a string")
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

// member is a key of an object.
type member struct {
	in  map[string]any
	key string
}

// oneVersion is the first of several members that is a version, and its place.
func (r *jsonReader) oneVersion(of ...member) (version string, at jsonpos.Place) {
	for _, m := range of {
		if v := r.version(m.in, m.key); v != "" && version == "" {
			version, at = v, r.value(m.in, m.key)
		}
	}
	return version, at
}

// secret takes ${NAME}, ${NAME:-default} and ${@secret:NAME} from the environment, so that a password need not
// stand in a file. A colleague without that variable can still work on
// everything else, so unset is not yet an error of the file.
func (r *jsonReader) secret(m map[string]any, key string) (value string, unset error) {
	v, ok := m[key].(string)
	if !ok {
		if m[key] != nil {
			r.bad(m, key, "", "a password is a JSON string, in quotes (the value is not shown)")
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
	place := r.value(m, key)
	return "", &ConfigError{File: r.file, Line: place.Line, Column: place.Column, Key: key, Found: v, Allowed: name + " is not set in .env or the environment"}
}

func (r *jsonReader) boolean(m map[string]any, key string) bool {
	switch v := m[key].(type) {
	case nil:
		return false
	case bool:
		return v
	default:
		r.wrong(m, key, v, "true or false")
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
		for i, e := range v {
			s, ok := e.(string)
			if !ok {
				r.wrongAt(jsonpos.Value(r.data, append(r.path(m, key), strconv.Itoa(i))...), key, e, "names of modules")
				return nil
			}
			add(s)
		}
	default:
		r.wrong(m, key, v, "a list of module names")
	}
	for _, w := range out {
		if !moduleName.MatchString(w) {
			r.bad(m, key, w, "allowed: names of Odoo modules (letters, digits, _)")
		}
	}
	return out
}
