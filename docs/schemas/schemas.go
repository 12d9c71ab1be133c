// Package schemas holds the JSON Schemas of everything machine-readable that
// odpm and odpm-checker write, and of odpm.json, for the tests that compare them
// with what the programs really write. No program has them in it.
package schemas

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Base is what every $id begins with; the file's name follows.
const Base = "https://raw.githubusercontent.com/odpm/odpm/main/docs/schemas/"

// suffix ends every file's name.
const suffix = ".schema.json"

//go:embed *.schema.json
var files embed.FS

// Names are those of all schemas, "plan", "status", …
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // they are in this program
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), suffix))
	}
	return names
}

// Read is a schema's text.
func Read(name string) ([]byte, error) { return files.ReadFile(name + suffix) }

// Validate tells what is wrong with a JSON document by the schema of that name.
func Validate(name string, document []byte) error { return published.validate(name, document) }

// Written is Validate for what odpm or odpm-checker has just written: a member
// that the schema does not name is an error here, although readers must accept
// it.
func Written(name string, document []byte) error { return closed.validate(name, document) }

var published, closed = &set{}, &set{closed: true}

// set are all schemas, known by their $id, without a network.
type set struct {
	closed bool
	mu     sync.Mutex
	c      *jsonschema.Compiler
}

func (s *set) validate(name string, document []byte) error {
	schema, err := s.compile(name)
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return err
	}
	return schema.Validate(v)
}

func (s *set) compile(name string) (*jsonschema.Schema, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c == nil {
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		for _, name := range Names() {
			text, err := Read(name)
			if err != nil {
				return nil, err
			}
			doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if s.closed {
				closeObjects(doc)
			}
			if err := c.AddResource(Base+name+suffix, doc); err != nil {
				return nil, err
			}
		}
		s.c = c
	}
	return s.c.Compile(Base + name + suffix)
}

// closeObjects forbids what an object does not name. "if" names little and is no
// description of one.
func closeObjects(v any) {
	schema, ok := v.(map[string]any)
	if !ok {
		return
	}
	if _, has := schema["additionalProperties"]; !has && schema["properties"] != nil && schema["required"] != nil {
		schema["additionalProperties"] = false
	}
	for key, inner := range schema {
		switch inner := inner.(type) {
		case map[string]any:
			if key != "if" && key != "then" && key != "else" {
				closeObjects(inner)
			}
		case []any:
			for _, one := range inner {
				closeObjects(one)
			}
		}
	}
}

// Differences compares a schema's members with those of the Go value that is
// marshalled for it, on every level: a field that the schema does not have, a
// member that no field has, another type, and a member that one of both takes for
// optional. An interface or a json.RawMessage may be anything.
func Differences(name string, value any) ([]string, error) {
	c := &comparison{}
	schema, err := c.load(name)
	if err != nil {
		return nil, err
	}
	if err := c.compare(name, name, schema, reflect.TypeOf(value)); err != nil {
		return nil, err
	}
	return c.found, nil
}

type comparison struct{ found []string }

func (c *comparison) load(name string) (map[string]any, error) {
	text, err := Read(name)
	if err != nil {
		return nil, err
	}
	var schema map[string]any
	return schema, json.Unmarshal(text, &schema)
}

func (c *comparison) say(format string, args ...any) {
	c.found = append(c.found, fmt.Sprintf(format, args...))
}

// compare looks at one place, at. file is the schema's that it is in.
func (c *comparison) compare(at, file string, schema map[string]any, t reflect.Type) error {
	file, schema, err := c.follow(file, schema)
	if err != nil {
		return err
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Marshaler]()) || t.Kind() == reflect.Interface {
		return nil
	}
	want := map[reflect.Kind]string{reflect.Struct: "object", reflect.Map: "object", reflect.Slice: "array", reflect.Bool: "boolean",
		reflect.String: "string", reflect.Float64: "number", reflect.Int: "integer", reflect.Int64: "integer"}[t.Kind()]
	if want == "" {
		c.say("%s: %s is not known to this comparison", at, t)
	}
	if !isType(schema, want) {
		c.say("%s: %s in Go, %v in the schema", at, t, schema["type"])
		return nil
	}
	switch t.Kind() {
	case reflect.Slice:
		items, _ := schema["items"].(map[string]any)
		return c.compare(at+"[]", file, items, t.Elem())
	case reflect.Struct:
		return c.members(at, file, schema, t)
	}
	return nil
}

// follow goes to what a $ref names, and past "or null".
func (c *comparison) follow(file string, schema map[string]any) (string, map[string]any, error) {
	for {
		if either, ok := schema["anyOf"].([]any); ok {
			schema, _ = either[len(either)-1].(map[string]any)
		}
		ref, ok := schema["$ref"].(string)
		if !ok {
			return file, schema, nil
		}
		name, pointer, _ := strings.Cut(ref, "#")
		if name != "" {
			file = strings.TrimSuffix(path.Base(name), suffix)
		}
		next, err := c.load(file)
		if err != nil {
			return file, nil, err
		}
		for _, key := range strings.Split(strings.Trim(pointer, "/"), "/") {
			if key != "" {
				next, _ = next[key].(map[string]any)
			}
		}
		schema = next
	}
}

// isType: a const and an enum say theirs by their values.
func isType(schema map[string]any, want string) bool {
	values, _ := schema["enum"].([]any)
	if v, ok := schema["const"]; ok {
		values = append(values, v)
	}
	for _, v := range values {
		if _, text := v.(string); text != (want == "string") {
			return false
		}
	}
	switch typ := schema["type"].(type) {
	case string:
		return typ == want
	case []any:
		return slices.Contains(typ, any(want))
	}
	return len(values) > 0
}

func (c *comparison) members(at, file string, schema map[string]any, t reflect.Type) error {
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	seen := map[string]bool{}
	for name, f := range fields(t) {
		seen[name] = true
		member, ok := properties[name].(map[string]any)
		if !ok {
			c.say("%s.%s: the schema does not have it", at, name)
			continue
		}
		if must := slices.Contains(required, any(name)); f.optional == must {
			c.say("%s.%s: optional in Go: %v; required by the schema: %v", at, name, f.optional, must)
		}
		if err := c.compare(at+"."+name, file, member, f.typ); err != nil {
			return err
		}
	}
	for name := range properties {
		if !seen[name] {
			c.say("%s.%s: no field of %s has it", at, name, t)
		}
	}
	slices.Sort(c.found)
	return nil
}

type field struct {
	typ      reflect.Type
	optional bool
}

// fields are what encoding/json would write of a struct, by name.
func fields(t reflect.Type) map[string]field {
	all := map[string]field{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		typ, optional := f.Type, strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
		switch {
		case name == "-":
		case f.Anonymous && name == "":
			pointer := typ.Kind() == reflect.Pointer
			if pointer {
				typ = typ.Elem()
			}
			for n, inner := range fields(typ) {
				inner.optional = inner.optional || pointer
				all[n] = inner
			}
		case f.IsExported():
			all[name] = field{typ, optional}
		}
	}
	return all
}
