package odoodb

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// A journal's words lead to deleting: only words of a backup do.
func TestStrangeBackupJournal(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, "precious")
	const id = "odpm_0123456789abcdef"
	for name, j := range map[string][3]string{
		"an archive with its name":  {precious, filepath.Join(dir, id), filepath.Join(dir, id)},
		"a file store":              {precious + ".part", precious, filepath.Join(dir, id)},
		"a directory of the backup": {precious + ".part", filepath.Join(dir, id), precious},
		"a place that is relative":  {precious + ".part", id, filepath.Join(dir, id)},
	} {
		s := &Server{StateDir: t.TempDir()}
		if err := os.WriteFile(precious, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(s.StateDir, backupPrefix+"1.json")
		text := fmt.Sprintf(`{"version": %d, "database": "db", "part": %q, "links": %q, "copies": %q}`, journalVersion, j[0], j[1], j[2])
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Recover(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "does not describe a backup") {
			t.Errorf("%s: %v", name, err)
		}
		if !present(precious) || !present(path) {
			t.Errorf("%s: something was removed", name)
		}
	}
}
