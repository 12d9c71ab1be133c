package wording_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/odpm/odpm/host/wording"
)

func TestNoSuchPath(t *testing.T) {
	dir := t.TempDir()
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, "backups"), 0o700),
		os.WriteFile(filepath.Join(dir, "odoo.conf"), nil, 0o600),
		os.Symlink("gone", filepath.Join(dir, "link")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"backups":      "",
		"odoo.conf":    "",
		"odo.conf":     "there is no odo.conf in DIR; did you mean odoo.conf?",
		"frobnicate":   "there is no frobnicate in DIR",
		"bakups/x.zip": "the directory DIR/bakups does not exist; did you mean backups?",
		// A file is no directory that could be meant.
		"odo.conf/x.zip":  "the directory DIR/odo.conf does not exist",
		"odoo.conf/x.zip": "DIR/odoo.conf is a file, not a directory",
		"link":            "DIR/link is a link to gone, which does not exist",
		"link/x.zip":      "DIR/link is a link to gone, which does not exist",
	} {
		if got := strings.ReplaceAll(wording.NoSuchPath(filepath.Join(dir, path)), dir, "DIR"); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if got := wording.BadFile(dir, &fs.PathError{Op: "write", Path: dir, Err: syscall.EISDIR}); got.Error() != dir+" is a directory, not a file" {
		t.Error(got)
	}
	if err := (&fs.PathError{Op: "open", Path: dir, Err: syscall.EACCES}); wording.BadFile(dir, err) != err {
		t.Error("an error that says enough was replaced")
	}
}
