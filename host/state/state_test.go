package state_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/state"
)

func TestDirs(t *testing.T) {
	d := state.NewDirs(t.TempDir())
	if err := d.Ensure(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{d.Runtime(), d.Database(), d.State()} {
		if b, err := os.ReadFile(filepath.Join(dir, ".gitignore")); err != nil || string(b) != "*\n" {
			t.Errorf("%s: %q %v", dir, b, err)
		}
	}
	if info, _ := os.Stat(d.State()); info.Mode().Perm() != 0o700 {
		t.Errorf("state is %s", info.Mode())
	}
	a, err := d.Secret("postgres_password")
	b, _ := d.Secret("postgres_password")
	if err != nil || a != b || len(a) < 30 {
		t.Errorf("secret %q %q %v", a, b, err)
	}
	if info, _ := os.Stat(d.SecretPath("postgres_password")); info.Mode().Perm() != 0o600 {
		t.Errorf("secret is %s", info.Mode())
	}
}

func TestLockNamesTheHolder(t *testing.T) {
	d := state.NewDirs(t.TempDir())
	l, err := d.LockProject("", "odpm --first")
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.LockProject("", "odpm --second")
	var busy *state.Busy
	if !errors.As(err, &busy) || !strings.Contains(err.Error(), "odpm --first") {
		t.Errorf("second run: %v", err)
	}
	l.Unlock()
	l, err = d.LockProject("", "odpm --third")
	if err != nil {
		t.Fatal(err)
	}
	l.Unlock()
}

// Two projects, one data directory by two paths.
func TestLockBelongsToTheDataDirectory(t *testing.T) {
	root := t.TempDir()
	data, link := filepath.Join(root, "pg"), filepath.Join(root, "link")
	os.Mkdir(data, 0o700)
	os.Symlink(data, link)
	one, two := state.NewDirs(filepath.Join(root, "one")), state.NewDirs(filepath.Join(root, "two"))
	l, err := one.LockProject(data, "odpm one")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Unlock()
	if _, err := two.LockProject(link, "odpm two"); err == nil || !strings.Contains(err.Error(), "odpm one") {
		t.Errorf("the same directory through a link: %v", err)
	}
	other, err := two.LockProject(filepath.Join(root, "not-there-yet"), "odpm two")
	if err != nil {
		t.Fatal(err)
	}
	other.Unlock()
}
