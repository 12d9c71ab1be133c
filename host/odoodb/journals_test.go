package odoodb

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/odoodb/swap"
)

// TestJournalThatIsAPipe: a project may have been unpacked with anything under the
// name of a journal, and a reader would wait for a pipe's writer for ever.
func TestJournalThatIsAPipe(t *testing.T) {
	for name, read := range map[string]func(dir string) error{
		"restore-x.json": func(dir string) error { _, err := swap.Journals(dir); return err },
		"backup-x.json":  func(dir string) error { _, err := backup.Journals(dir); return err },
		"drop-x.json":    func(dir string) error { _, err := drop.Journals(dir); return err },
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := read(dir); err == nil || !strings.Contains(err.Error(), "a pipe") || !strings.HasSuffix(err.Error(), "mv "+path+" "+path+".unreadable") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPlacesInJournals: whoever looks at a journal that cannot be read finds where.
func TestPlacesInJournals(t *testing.T) {
	for name, read := range map[string]func(dir string) error{
		"restore-x.json": func(dir string) error { _, err := swap.Journals(dir); return err },
		"backup-x.json":  func(dir string) error { _, err := backup.Journals(dir); return err },
		"drop-x.json":    func(dir string) error { _, err := drop.Journals(dir); return err },
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("{\n  \"version\": \"1\"}"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := read(dir); err == nil || !strings.Contains(err.Error(), ": line 2, column 14: version is a string; allowed: a whole number. ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
