package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/odpm/odpm/shared/durable"
)

// TestErrors: an error names the file that was wanted, not the temporary one.
func TestErrors(t *testing.T) {
	dir := t.TempDir()
	for name, tc := range map[string]struct {
		path string
		is   error
	}{
		"no directory": {filepath.Join(dir, "none", "x.json"), fs.ErrNotExist},
		"a directory":  {dir, syscall.EISDIR},
	} {
		err := durable.WriteFile(tc.path, []byte("x"), 0o600)
		var p *fs.PathError
		if !errors.Is(err, tc.is) || !errors.As(err, &p) || p.Path != tc.path || strings.Contains(err.Error(), ".tmp") {
			t.Errorf("%s: %v", name, err)
		}
	}
	left, err := os.ReadDir(filepath.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		if durable.IsTemporary(e.Name()) {
			t.Errorf("%s is left", e.Name())
		}
	}
}
