package schemas

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// open are those whose readers must accept what a later version adds, or that
// other programs write into, too.
var open = []string{"checker", "checker-log", "last_run", "odpm", "proven", "start"}

// TestPublished: each schema is valid, has its own address, and says of each
// member what it is; what odpm alone writes is closed, so that a member without a
// schema fails a test.
func TestPublished(t *testing.T) {
	for _, name := range Names() {
		text, err := Read(name)
		if err != nil {
			t.Fatal(err)
		}
		var schema map[string]any
		if err := json.Unmarshal(text, &schema); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if schema["$id"] != Base+name+suffix || schema["$schema"] != "https://json-schema.org/draft/2020-12/schema" || schema["title"] == nil {
			t.Errorf("%s: $id %v, $schema %v, title %v", name, schema["$id"], schema["$schema"], schema["title"])
		}
		if err := Validate(name, []byte("[]")); err == nil && name != "common" {
			t.Errorf("%s takes a list", name)
		} else if err != nil && !strings.Contains(err.Error(), "jsonschema validation failed") {
			t.Errorf("%s: %v", name, err)
		}
		described(t, name, schema, slices.Contains(open, name))
	}
}

func described(t *testing.T, at string, schema map[string]any, open bool) {
	t.Helper()
	properties, _ := schema["properties"].(map[string]any)
	if _, closed := schema["additionalProperties"]; len(properties) > 0 && schema["required"] != nil && !open && !closed {
		t.Errorf("%s: additionalProperties is not false", at)
	}
	for name, v := range properties {
		member, ok := v.(map[string]any)
		if !ok {
			continue
		}
		if member["description"] == nil {
			t.Errorf("%s.%s has no description", at, name)
		}
		described(t, at+"."+name, member, open)
	}
	for _, key := range []string{"items", "$defs"} {
		inner, _ := schema[key].(map[string]any)
		if key == "items" && inner != nil {
			described(t, at+"[]", inner, open)
		}
		for name, def := range inner {
			if key == "$defs" {
				described(t, at+"#"+name, def.(map[string]any), open)
			}
		}
	}
}

// TestNamed: the index has each schema, and so has the page that describes the
// document.
func TestNamed(t *testing.T) {
	index, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var pages strings.Builder
	err = filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".md" || path == "../schemas/README.md" {
			return err
		}
		text, err := os.ReadFile(path)
		pages.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range Names() {
		if !strings.Contains(string(index), "("+name+suffix+")") {
			t.Errorf("README.md does not name %s", name)
		}
		if name != "common" && !strings.Contains(pages.String(), "schemas/"+name+suffix) {
			t.Errorf("no page of docs/ names %s", name)
		}
	}
}

// TestDifferences: what the comparison is for.
func TestDifferences(t *testing.T) {
	type finding struct {
		Level string   `json:"level"`
		Text  string   `json:"text,omitempty"`
		Codes []string `json:"codes,omitempty"`
	}
	type doc struct {
		Version  int       `json:"schema_version"`
		Findings []finding `json:"findings"`
		More     int       `json:"more"`
	}
	got, err := Differences("doctor", doc{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"doctor.findings[].text: optional in Go: true; required by the schema: true", "doctor.more: the schema does not have it"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got, _ := Differences("doctor", struct {
		Version string `json:"schema_version"`
	}{}); len(got) != 2 {
		t.Errorf("%q", got)
	}
}
