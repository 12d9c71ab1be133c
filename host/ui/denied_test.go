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
		got := WithWay(tc.err)
		if tc.want == "" && got != tc.err || !strings.Contains(got.Error(), tc.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := WithWay(denied(file)).Error(); !strings.Contains(got, "mode 0600") || !strings.Contains(got, fmt.Sprintf("odpm runs as %d:", os.Geteuid())) {
		t.Error(got)
	}
}
