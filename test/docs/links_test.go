// Package docs_test holds the documentation to what is there: links and commands.
package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// pages are all Markdown files of the repository, relative to its root.
func pages(t *testing.T) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "dist" || name == "bin") {
			return fs.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(name, ".md") {
			rel, err := filepath.Rel(root, path)
			names = append(names, rel)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 20 {
		t.Fatalf("only %d pages found: %q", len(names), names)
	}
	return names
}

func text(t *testing.T, page string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var (
	fence   = regexp.MustCompile("(?ms)^[ ]*```.*?^[ ]*```[ ]*$")
	heading = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *#*$`)
	anchor  = regexp.MustCompile(`<a (?:id|name)="([^"]+)"`)
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	target  = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	dropped = regexp.MustCompile(`[^\p{L}\p{N}\p{M}_ -]`)
)

// anchors are what GitHub makes of a page's headings: lower case, punctuation
// dropped, spaces become hyphens, and -1, -2 for one that occurred before.
func anchors(page string) map[string]bool {
	page = fence.ReplaceAllString(page, "")
	found := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(page, -1) {
		words := target.ReplaceAllString(m[1], "$1")
		slug := strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(words), ""), " ", "-")
		name := slug
		for i := 1; found[name]; i++ {
			name = slug + "-" + string(rune('0'+i))
		}
		found[name] = true
	}
	for _, m := range anchor.FindAllStringSubmatch(page, -1) {
		found[m[1]] = true
	}
	return found
}

// TestLinks: every relative link of every page leads to a file, and every
// anchor to a heading of it.
func TestLinks(t *testing.T) {
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(text(t, page), ""), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			path, name, _ := strings.Cut(m[1], "#")
			to := page
			if path != "" {
				to = filepath.Join(filepath.Dir(page), path)
			}
			if _, err := os.Stat(filepath.Join(root, to)); err != nil {
				t.Errorf("%s: %s: %v", page, m[1], err)
				continue
			}
			if name != "" && !anchors(text(t, to))[name] {
				t.Errorf("%s: %s: %s has no such heading", page, m[1], to)
			}
		}
	}
}

// TestIndexed: docs/README.md leads to every page of docs.
func TestIndexed(t *testing.T) {
	index := text(t, "docs/README.md")
	for _, page := range pages(t) {
		rel, ok := strings.CutPrefix(page, "docs/")
		if ok && rel != "README.md" && !strings.Contains(index, "]("+rel+")") {
			t.Errorf("docs/README.md has no link to %s", rel)
		}
	}
}
