package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestUnreleased: every change of the tree can be collected.
func TestUnreleased(t *testing.T) {
	all, err := filepath.Glob("../changelog/unreleased/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		if _, _, err := change(name); err != nil {
			t.Error(err)
		}
	}
}

func TestCollect(t *testing.T) {
	root := t.TempDir()
	unreleased := filepath.Join(root, "changelog", "unreleased")
	if err := os.MkdirAll(unreleased, 0o755); err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("CHANGELOG.md", "# Changes\n\n"+marker+"\n## v0.1.0 (2026-01-02)\n")
	if err := collect(root, "v0.2.0", day); err == nil {
		t.Error("nothing to collect, and no error")
	}
	write("changelog/unreleased/one.md", "Fixed: a thing is so now.\n\nMore of it.\n")
	write("changelog/unreleased/two.md", "Security: another.\n")
	if err := collect(root, "0.2.0", day); err == nil {
		t.Error("0.2.0 is no tag")
	}
	if err := collect(root, "v0.2.0", day); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, "CHANGELOG.md"))
	if err != nil {
		t.Fatal(err)
	}
	want := "# Changes\n\n" + marker + "\n## v0.2.0 (2026-11-26)\n\n### Security\n\n- another.\n\n### Fixed\n\n- a thing is so now.\n  \n  More of it.\n\n## v0.1.0 (2026-01-02)\n"
	if string(got) != want {
		t.Errorf("%q\nwant %q", got, want)
	}
	if left, _ := filepath.Glob(filepath.Join(unreleased, "*.md")); len(left) > 0 {
		t.Errorf("%q", left)
	}
	write("changelog/unreleased/three.md", "Improved: no such kind.\n")
	if err := collect(root, "v0.3.0", day); err == nil || !strings.Contains(err.Error(), "must begin with") {
		t.Error(err)
	}
}
