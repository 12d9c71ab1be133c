package database

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/odpm/odpm/host/apply"
	"github.com/odpm/odpm/host/state"
)

// TestNoteOfARehearsal: what odpm did not write under the name of its note removes
// nothing, keeps no rehearsal waiting, and is answered with a command that works.
func TestNoteOfARehearsal(t *testing.T) {
	s := &apply.Run{}
	s.Dirs = state.NewDirs(t.TempDir())
	if err := os.MkdirAll(s.Dirs.State(), 0o700); err != nil {
		t.Fatal(err)
	}
	note, precious := filepath.Join(s.Dirs.State(), throwawayNote), t.TempDir()
	for says, make := range map[string]func() error{
		"a pipe":             func() error { return syscall.Mkfifo(note, 0o600) },
		"a directory":        func() error { return os.Mkdir(note, 0o700) },
		"odpm did not":       func() error { return os.WriteFile(note, nil, 0o600) },
		"native " + precious: func() error { return os.WriteFile(note, []byte("17 native "+precious), 0o600) },
	} {
		if err := make(); err != nil {
			t.Fatal(err)
		}
		if err := removeKilled(context.Background(), s, note); err == nil || !strings.Contains(err.Error(), says) || !strings.HasSuffix(err.Error(), "mv "+note+" "+note+".aside") {
			t.Errorf("%s: %v", says, err)
		}
		if err := os.Remove(note); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}
