package odoodb

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// A kill between a journal's first byte and its rename leaves a file that
// says nothing; the next run takes it away, without asking a server.
func TestUnfinishedJournal(t *testing.T) {
	s := &Server{StateDir: t.TempDir()}
	left := filepath.Join(s.StateDir, unfinishedPrefix+"123")
	if err := os.WriteFile(left, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if done, err := s.Recover(context.Background(), nil); err != nil || len(done) > 0 {
		t.Fatal(done, err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Error(err)
	}
}
