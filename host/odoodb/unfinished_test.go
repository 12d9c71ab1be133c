package odoodb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gofrs/flock"

	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/journal"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/server"
)

// A kill between a journal's first byte and its rename leaves a file that
// says nothing; the next run takes it away, without asking a server.
func TestUnfinishedJournal(t *testing.T) {
	s := &server.Server{StateDir: t.TempDir()}
	var left []string
	for _, name := range []string{".journal-123", ".backup-0123456789abcdef", ".restore-odpm_0123456789abcdef.json.1.tmp", ".drop-0123456789abcdef.json.2.tmp"} {
		left = append(left, filepath.Join(s.StateDir, name))
		if err := os.WriteFile(left[len(left)-1], []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	begun := filepath.Join(s.StateDir, ".backup-fedcba9876543210.json.3.tmp")
	lock := flock.New(begun)
	if ok, err := lock.TryLock(); err != nil || !ok {
		t.Fatal(ok, err)
	}
	defer lock.Close()
	if done, err := Recover(context.Background(), s, nil); err != nil || len(done) > 0 {
		t.Fatal(done, err)
	}
	for _, path := range left {
		if odoodbtest.Present(path) {
			t.Errorf("%s is still there", path)
		}
	}
	if !odoodbtest.Present(begun) {
		t.Error("the journal of a backup that begins was removed")
	}
}

// A power cut took the content of a backup's journal, or a disk fault changed
// it. No run ends at it: nobody needs what it would have said.
func TestUnreadableBackupJournal(t *testing.T) {
	s := &server.Server{StateDir: t.TempDir(), Files: filestore.Layout{DataDir: t.TempDir()}}
	for name, content := range map[string]string{"0123456789abcdef": "", "1123456789abcdef": strings.Repeat("\x00", 200)} {
		path := filepath.Join(s.StateDir, journal.BackupPrefix+name+".json")
		links := filepath.Join(s.Files.DataDir, "filestore", server.HiddenPrefix+name)
		if err := errors.Join(os.MkdirAll(links, 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
		if _, err := Recover(t.Context(), s, nil); err != nil {
			t.Errorf("%q: %v", content, err)
		}
		if odoodbtest.Present(path) || odoodbtest.Present(links) {
			t.Errorf("%q: it is still there", content)
		}
	}
	path := filepath.Join(s.StateDir, journal.BackupPrefix+"2123456789abcdef.json")
	if err := os.WriteFile(path, []byte(`{"version": 1, "datab`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Recover(t.Context(), s, nil)
	if !backup.IsLeftBehind(err) || !strings.Contains(err.Error(), "mv "+path+" "+path+".unreadable") {
		t.Errorf("cut off: %v", err)
	}
	if err := os.Rename(path, path+".unreadable"); err != nil {
		t.Fatal(err)
	}
	if _, err := Recover(t.Context(), s, nil); err != nil || journal.Interrupted(s.StateDir) {
		t.Errorf("moved aside as advised: %v", err)
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
		s := &server.Server{StateDir: t.TempDir()}
		if err := os.WriteFile(precious, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(s.StateDir, journal.BackupPrefix+"1.json")
		text := fmt.Sprintf(`{"version": %d, "database": "db", "part": %q, "links": %q, "copies": %q}`, journal.Version, j[0], j[1], j[2])
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Recover(context.Background(), s, nil); err == nil || !strings.Contains(err.Error(), "does not describe a backup") {
			t.Errorf("%s: %v", name, err)
		}
		if !odoodbtest.Present(precious) || !odoodbtest.Present(path) {
			t.Errorf("%s: something was removed", name)
		}
	}
}
