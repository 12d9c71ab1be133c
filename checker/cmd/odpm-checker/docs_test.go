package main_test

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/odpm/odpm/docs/schemas"
	"github.com/odpm/odpm/shared/handoff"
	"github.com/odpm/odpm/shared/pglogin"
	"github.com/odpm/odpm/shared/snapshot"
)

func page(t *testing.T, name string) string {
	t.Helper()
	return string(readFile(t, filepath.Join("../../../docs/reference", name)))
}

// TestDocumented: the pages are contracts. Whatever --help lists, every reason,
// every exit code and every member of the two files stands in them.
func TestDocumented(t *testing.T) {
	checker := page(t, "checker.md")
	help := invocation{args: []string{"--help"}}.run(t).stdout
	for _, word := range regexp.MustCompile(`--[a-z][a-z-]+|ODPM_[A-Z_]+`).FindAllString(help, -1) {
		if !strings.Contains(checker, "`"+word+"`") {
			t.Errorf("docs/reference/checker.md does not have %s", word)
		}
	}
	for r := pglogin.Settings; r <= pglogin.Standby; r++ {
		if !strings.Contains(checker, "`"+r.String()+"`") {
			t.Errorf("docs/reference/checker.md does not have the reason %s", r)
		}
	}
	for _, code := range []string{"64", "69", "73", "74", "77", "78", "126", "127", "128+N"} {
		if !strings.Contains(checker, "| "+code+" |") || !strings.Contains(help, code) {
			t.Errorf("exit code %s is not in docs/reference/checker.md or --help", code)
		}
	}
	last := page(t, "last-run.md")
	for _, m := range schemaMembers(t, "last_run") {
		if !strings.Contains(last, "`"+m+"`") {
			t.Errorf("docs/reference/last-run.md does not have %s", m)
		}
	}
	hand := page(t, "checker-json.md")
	for _, m := range schemaMembers(t, "checker") {
		if !strings.Contains(hand, "`"+m+"`") {
			t.Errorf("docs/reference/checker-json.md does not have %s", m)
		}
	}
}

// TestExamplesInTheDocs: what the pages show is what the programs read.
func TestExamplesInTheDocs(t *testing.T) {
	example := regexp.MustCompile("(?s)```json\n(.*?)```")
	last := example.FindStringSubmatch(page(t, "last-run.md"))[1]
	s, err := snapshot.Decode([]byte(last))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.Encode(); err != nil || string(again) != last {
		t.Errorf("%v, written again:\n%s", err, again)
	}
	hand := []byte(example.FindStringSubmatch(page(t, "checker-json.md"))[1])
	if _, err := handoff.Decode(hand); err != nil {
		t.Error(err)
	}
	validate(t, "checker", hand)
}

// schemaMembers are the members of a schema, "cluster.app_role".
func schemaMembers(t *testing.T, name string) []string {
	t.Helper()
	schema, err := schemas.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	type object struct {
		Properties map[string]json.RawMessage
	}
	var walk func(prefix string, raw []byte) []string
	walk = func(prefix string, raw []byte) (names []string) {
		var o object
		if err := json.Unmarshal(raw, &o); err != nil {
			t.Fatal(err)
		}
		for name, sub := range o.Properties {
			if inner := walk(prefix+name+".", sub); inner != nil {
				names = append(names, inner...)
			} else {
				names = append(names, prefix+name)
			}
		}
		return names
	}
	return walk("", schema)
}
