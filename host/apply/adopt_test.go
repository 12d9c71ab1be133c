package apply

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/beneath"
)

// TestEmptyDir: data are copied as root to a directory that nobody has prepared.
func TestEmptyDir(t *testing.T) {
	project, elsewhere := t.TempDir(), t.TempDir()
	o := Options{Term: ui.New(os.Stdin, os.Stdout, os.Stderr, ui.Options{})}
	o.Dir = project
	dir := filepath.Join(project, "data", "odoo")
	if err := emptyDir(t.Context(), project, dir, false); err != nil {
		t.Fatal(err)
	}
	if err := emptyDir(t.Context(), project, dir, false); err != nil {
		t.Errorf("an empty one: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := emptyDir(t.Context(), project, dir, false); err == nil || !strings.Contains(err.Error(), `already contains something ("mine")`) {
		t.Errorf("one with a file: %v", err)
	}
	for _, link := range []string{filepath.Join(project, "link"), filepath.Join(project, "data", "link")} {
		if err := os.Symlink(elsewhere, link); err != nil {
			t.Fatal(err)
		}
		var is *beneath.LinkError
		if err := emptyDir(t.Context(), project, link, false); !errors.As(err, &is) {
			t.Errorf("a link: %v", err)
		}
		if err := emptyDir(t.Context(), project, filepath.Join(link, "odoo"), true); !errors.As(err, &is) {
			t.Errorf("below a link: %v", err)
		}
		if err := setAside(filepath.Join(link, "odoo"), time.Now(), o); err == nil {
			t.Error("something below a link was renamed")
		}
	}
	if left, err := os.ReadDir(elsewhere); err != nil || len(left) > 0 {
		t.Errorf("made elsewhere: %v %v", left, err)
	}
	// What was copied a moment ago with the directory above gives way.
	covered := filepath.Join(dir, "covered")
	for _, made := range []error{os.Mkdir(covered, 0o755), os.WriteFile(filepath.Join(covered, "old"), nil, 0o600), emptyDir(t.Context(), project, covered, true)} {
		if made != nil {
			t.Fatal(made)
		}
	}
	if left, err := os.ReadDir(covered); err != nil || len(left) > 0 {
		t.Errorf("covered: %v %v", left, err)
	}
	if err := setAside(dir, time.Now(), o); err != nil {
		t.Fatal(err)
	}
	if all, _ := filepath.Glob(dir + ".undone-*/mine"); len(all) != 1 {
		t.Errorf("set aside: %v", all)
	}
	if err := setAside(dir, time.Now(), o); err != nil {
		t.Errorf("again: %v", err)
	}
}
