package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestUnreleased: every change begins with a section of the changelog, or the next
// release cannot be made. Two did not, and only make test-dist noticed.
func TestUnreleased(t *testing.T) {
	section := regexp.MustCompile(`\A(Security|Added|Changed|Fixed|Removed): \S`)
	read := 0
	for _, name := range pages(t) {
		if !strings.HasPrefix(name, "changelog/unreleased/") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if read++; !section.Match(data) {
			t.Errorf("%s must begin with one of: Security:, Added:, Changed:, Fixed:, Removed:", name)
		}
	}
	if read == 0 {
		t.Error("there is no change")
	}
}
