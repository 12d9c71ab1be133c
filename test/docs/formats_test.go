package docs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// TestFormats: every YAML and JSON file that somebody copies, or that a service
// reads from here, can be read, and no key appears twice in it.
func TestFormats(t *testing.T) {
	n := map[string]int{}
	for _, top := range []string{".github", "examples", "docs", "test/example", "."} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() {
				if top == "." && path != filepath.Join(root, top) {
					return fs.SkipDir
				}
				return nil
			}
			kind := strings.TrimPrefix(filepath.Ext(path), ".")
			read := readers[kind]
			if read == nil {
				return nil
			}
			n[kind]++
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if err := read(text); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n["yml"] < 8 || n["yaml"] < 1 || n["json"] < 20 {
		t.Errorf("only %v were found", n)
	}
}

var readers = map[string]func([]byte) error{
	"yml": readYAML, "yaml": readYAML, "json": readJSON,
	"toml": func([]byte) error { return errors.New("no test reads TOML yet; add a reader here") },
}

// readYAML reads all documents. Decoding into a map finds a key that appears twice.
func readYAML(text []byte) error {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	for n := 0; ; n++ {
		var doc any
		switch err := dec.Decode(&doc); {
		case errors.Is(err, io.EOF) && n > 0:
			return nil
		case err != nil:
			return err
		case doc == nil:
			return errors.New("an empty document")
		}
	}
}

func readJSON(text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	if err := once(dec); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something follows the document")
	}
	return nil
}

// once reads one value in which no key appears twice in an object.
func once(dec *json.Decoder) error {
	open, err := dec.Token()
	if err != nil {
		return err
	}
	if open != json.Delim('{') && open != json.Delim('[') {
		return nil
	}
	seen := map[string]bool{}
	for dec.More() {
		if open == json.Delim('{') {
			key, err := dec.Token()
			if err != nil {
				return err
			}
			if name := key.(string); seen[name] {
				return fmt.Errorf("%q appears twice", name)
			} else {
				seen[name] = true
			}
		}
		if err := once(dec); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

func TestReaders(t *testing.T) {
	for _, bad := range []string{"a: 1\na: 2\n", "a:\n\t- b\n", "a: [1\n", "a: 'b\n", "", "a: 1\n---\n- b\n  c\nd\n"} {
		if readYAML([]byte(bad)) == nil {
			t.Errorf("%q is taken for YAML", bad)
		}
	}
	for _, bad := range []string{`{"a": 1, "a": 2}`, `{"b": [{"a": {}, "a": []}]}`, `{"a": 1,}`, `{} {}`, "", "// c\n{}"} {
		if readJSON([]byte(bad)) == nil {
			t.Errorf("%q is taken for JSON", bad)
		}
	}
	if err := readYAML([]byte("a: 1\n---\nb: {c: 2}\n")); err != nil {
		t.Error(err)
	}
	if err := readJSON([]byte(`{"a": [{"a": 1}, {"a": 2}]}`)); err != nil {
		t.Error(err)
	}
}

func fromYAML[T any](t *testing.T, path string) (v T) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, path))
	if err == nil {
		err = yaml.Unmarshal(b, &v)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return v
}

// TestPreCommit: the hook has what pre-commit asks for, and looks at the files of
// a project and at no others.
func TestPreCommit(t *testing.T) {
	config := fromYAML[struct {
		Repos []struct {
			Repo  string
			Hooks []struct{ ID, Name, Entry, Language, Files string }
		}
	}](t, "examples/pre-commit/.pre-commit-config.yaml")
	if len(config.Repos) != 1 || config.Repos[0].Repo != "local" || len(config.Repos[0].Hooks) != 1 {
		t.Fatalf("%+v", config)
	}
	hook := config.Repos[0].Hooks[0]
	if hook.ID == "" || hook.Name == "" || !slices.Contains([]string{"system", "script"}, hook.Language) {
		t.Errorf("%+v", hook)
	}
	if info, err := os.Stat(filepath.Join(root, "examples/pre-commit", filepath.Base(hook.Entry))); err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("%s cannot be executed: %v", hook.Entry, err)
	}
	files := regexp.MustCompile(hook.Files)
	for path, want := range map[string]bool{"odpm.json": true, "user_settings.json": true, "odoo.conf": true, "docker-compose.yml": true,
		"docker-compose.override.yaml": true, "addons/x/__manifest__.py": false, "docs/odpm.json": false, "README.md": false} {
		if files.MatchString(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}

// TestIssueForms: GitHub shows a form only where it has what is looked for here.
func TestIssueForms(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(root, ".github/ISSUE_TEMPLATE/*.yml"))
	if err != nil || len(paths) < 2 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		rel, _ := filepath.Rel(root, path)
		if filepath.Base(path) == "config.yml" {
			config := fromYAML[struct {
				Links []struct{ Name, URL, About string } `yaml:"contact_links"`
			}](t, rel)
			for _, l := range config.Links {
				if l.Name == "" || l.About == "" || !strings.HasPrefix(l.URL, "https://") {
					t.Errorf("%s: %+v", rel, l)
				}
			}
			continue
		}
		form := fromYAML[struct {
			Name, Description string
			Body              []struct {
				Type, ID   string
				Attributes struct{ Label, Value string }
			}
		}](t, rel)
		if form.Name == "" || form.Description == "" || len(form.Body) == 0 {
			t.Errorf("%s has no name, no description or no body", rel)
		}
		var ids []string
		for _, field := range form.Body {
			switch {
			case field.Type == "markdown" && field.Attributes.Value != "":
			case !slices.Contains([]string{"input", "textarea", "dropdown", "checkboxes"}, field.Type) || field.ID == "" || field.Attributes.Label == "":
				t.Errorf("%s: %+v", rel, field)
			case slices.Contains(ids, field.ID):
				t.Errorf("%s: two fields are %s", rel, field.ID)
			default:
				ids = append(ids, field.ID)
			}
		}
	}
}
