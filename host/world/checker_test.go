package world

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// header is a file that begins like a program of another platform: what the
// kernels look at before they load it.
func header(t *testing.T, path string, head ...byte) string {
	t.Helper()
	if err := os.WriteFile(path, append(head, make([]byte, 64)...), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCheckerOfAnotherMachine: a darwin checker, or one of another architecture,
// passed, and a working Odoo was replaced by a container that could not start.
func TestCheckerOfAnotherMachine(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "script")
	if err := os.WriteFile(text, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	amd, arm := Platform{"linux", "amd64"}, Platform{"linux", "arm64"}
	amdFile := header(t, filepath.Join(dir, "amd64"), []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00")...)
	bigEndian := header(t, filepath.Join(dir, "s390x"), []byte("\x7fELF\x02\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x16")...)
	macFile := header(t, filepath.Join(dir, "darwin"), []byte("\xcf\xfa\xed\xfe\x0c\x00\x00\x01")...)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, path string
		on         Platform
		want       string
	}{
		{"this program", self, Here, ""},
		{"right", amdFile, amd, ""},
		{"big endian", bigEndian, Platform{"linux", "s390x"}, ""},
		{"another architecture", amdFile, arm, "which is a program for linux/amd64, not for linux/arm64"},
		{"another system", macFile, amd, "is a program for darwin/arm64, not for linux/amd64"},
		{"a script", text, amd, "which is not a program for linux/amd64"},
		{"a directory", dir, amd, "is not a file"},
		{"nothing", filepath.Join(dir, "no"), amd, "no such file"},
	} {
		path, err := CheckerPath(map[string]string{"ODPM_CHECKER": tc.path}, tc.on)
		switch {
		case tc.want == "" && (err != nil || path != tc.path):
			t.Errorf("%s: %q, %v", tc.name, path, err)
		case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	// Without a name: the one on PATH is looked at in the same way.
	t.Setenv("PATH", dir)
	if err := os.Rename(amdFile, filepath.Join(dir, "odpm-checker")); err != nil {
		t.Fatal(err)
	}
	if path, err := CheckerPath(nil, amd); err != nil || path != filepath.Join(dir, "odpm-checker") {
		t.Errorf("%q, %v", path, err)
	}
	if _, err = CheckerPath(nil, arm); err == nil || !strings.Contains(err.Error(), "not for linux/arm64") || !strings.Contains(err.Error(), "GOARCH=arm64 CGO_ENABLED=0 go install ") {
		t.Errorf("%v", err)
	}
}
