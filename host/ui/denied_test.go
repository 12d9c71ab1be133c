package ui

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestWithWay(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "odoo.conf")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	denied := func(path string) error {
		return fmt.Errorf("odoo.conf: %w", &fs.PathError{Op: "open", Path: path, Err: syscall.EACCES})
	}
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"a file":              {denied(file), "chmod g+r " + file},
		"a directory":         {denied(dir), "chmod g+rx " + dir},
		"a file to be made":   {denied(filepath.Join(dir, "not", "there")), "chmod g+rwx " + dir},
		"no permission error": {&fs.PathError{Op: "open", Path: file, Err: syscall.EIO}, ""},
		"a refusal":           {&Refusal{What: "No.", Err: denied(file)}, ""},
	} {
		got := WithWay(tc.err, dir)
		if tc.want == "" && got != tc.err || !strings.Contains(got.Error(), tc.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := WithWay(denied(file), dir).Error(); !strings.Contains(got, "mode 0600") || !strings.Contains(got, fmt.Sprintf("odpm runs as %d:", os.Geteuid())) {
		t.Error(got)
	}
}

// TestNobodyElsesPermissions: "--db-backup /nonexistent/x.zip" proposed chmod g+w
// on the root directory.
func TestNobodyElsesPermissions(t *testing.T) {
	project := t.TempDir()
	link := filepath.Join(project, "outside")
	if err := os.Symlink(os.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/nonexistent/deep/x.zip":          "the directory /nonexistent/deep does not exist, and this user may not create it: / belongs to",
		"/x.zip":                           "/ belongs to",
		"/etc/passwd":                      "/etc/passwd belongs to",
		filepath.Join(link, "new", "file"): "does not exist",
	} {
		err := WithWay(&fs.PathError{Op: "mkdir", Path: path, Err: syscall.EACCES}, project)
		if got := err.Error(); !strings.Contains(got, want) || strings.Contains(got, "chmod") || strings.Contains(got, "chgrp") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
