package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestJSONIsValidated: whatever a script has odpm print as JSON is compared with
// a schema before the next command runs.
func TestJSONIsValidated(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatal(err)
	}
	asJSON := regexp.MustCompile(`^!? *exec odpm .*(--(plan-)?format[= ]json)`)
	command := regexp.MustCompile(`^[!?]? *(exec|odpm|person|ordinary|admin|cd|-- )`)
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		open := ""
		for line := range strings.Lines(string(text) + "-- end --\n") {
			switch {
			case strings.HasPrefix(line, "schema "):
				open = ""
			case command.MatchString(line):
				if open != "" {
					t.Errorf("%s: no schema is compared with what this prints: %s", script, open)
				}
				open = ""
				if asJSON.MatchString(line) {
					open = line
				}
			}
		}
	}
}
