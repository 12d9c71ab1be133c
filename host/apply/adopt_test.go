package apply

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/beneath"
)

// TestEmptyDir: data is copied as root to a directory that nobody has prepared.
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

// TestBeforeReplacesLink: the directory of odoo.conf may be mounted into a container,
// which has made a link of the file by the time that an undo gives it back.
func TestBeforeReplacesLink(t *testing.T) {
	project, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "theirs")
	conf := filepath.Join(project, "config", "odoo.conf")
	for _, made := range []error{os.Mkdir(filepath.Dir(conf), 0o755), os.WriteFile(conf, []byte("mine"), 0o640), os.WriteFile(elsewhere, []byte("theirs"), 0o600)} {
		if made != nil {
			t.Fatal(made)
		}
	}
	was := state.AsIs(conf, []byte("mine"))
	for _, made := range []error{os.Remove(conf), os.Symlink(elsewhere, conf), before(project, was)} {
		if made != nil {
			t.Fatal(made)
		}
	}
	if data, err := os.ReadFile(elsewhere); err != nil || string(data) != "theirs" {
		t.Errorf("what the link leads to: %q %v", data, err)
	}
	info, err := os.Lstat(conf)
	if data, _ := os.ReadFile(conf); err != nil || info.Mode() != 0o640 || string(data) != "mine" {
		t.Errorf("odoo.conf: %q %v %v", data, info.Mode(), err)
	}
}
