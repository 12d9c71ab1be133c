package report

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/odpm/odpm/docs/schemas"
)

// TestDocuments: the schemas have exactly the members that are written.
func TestDocuments(t *testing.T) {
	for name, doc := range map[string]any{"plan": planDoc{}} {
		got, err := schemas.Differences(name, doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range got {
			t.Error(d)
		}
	}
}

// TestOps: the schema has every operation that an action can be.
func TestOps(t *testing.T) {
	code, err := os.ReadFile("../plan/action.go")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range regexp.MustCompile(`\n\t\w+\s+Op = "(\w+)"`).FindAllSubmatch(code, -1) {
		want = append(want, string(m[1]))
	}
	text, err := schemas.Read("common")
	if err != nil {
		t.Fatal(err)
	}
	var common struct {
		Defs struct {
			Action struct {
				Properties struct{ Op struct{ Enum []string } }
			}
		} `json:"$defs"`
	}
	if err := json.Unmarshal(text, &common); err != nil {
		t.Fatal(err)
	}
	got := common.Defs.Action.Properties.Op.Enum
	slices.Sort(want)
	slices.Sort(got)
	if len(want) < 10 || !slices.Equal(got, want) {
		t.Errorf("schema %q\ncode   %q", got, want)
	}
}
