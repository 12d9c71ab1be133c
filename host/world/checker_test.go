package world

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
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
	universal := header(t, filepath.Join(dir, "universal"), []byte("\xca\xfe\xba\xbe\x00\x00\x00\x02")...)
	freebsd := header(t, filepath.Join(dir, "freebsd"), []byte("\x7fELF\x02\x01\x01\x09\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00")...)
	object := header(t, filepath.Join(dir, "object"), []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x3e\x00")...)
	dos := append([]byte("MZ"), make([]byte, 0x3e)...)
	dos[0x3c] = 0x40
	windows := header(t, filepath.Join(dir, "windows"), append(dos, "PE\x00\x00\x64\x86"...)...)
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o755); err != nil {
		t.Fatal(err)
	}
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
		{"several architectures of another system", universal, amd, "is a program for darwin/several machines, not for linux/amd64"},
		{"Windows", windows, amd, "is a program for windows/amd64, not for linux/amd64"},
		{"FreeBSD's ELF", freebsd, amd, "is a program for freebsd/amd64, not for linux/amd64"},
		{"an object file", object, amd, "which is not a program for linux/amd64"},
		{"an empty file", empty, amd, "which is not a program for linux/amd64"},
		{"a pipe", pipe, amd, "which is not a file"},
		{"a script", text, amd, "which is a script and not a program for linux/amd64"},
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

// TestLoader: a dynamically linked checker starts only where its loader is, and the
// container of a working Odoo must not be replaced to find that out.
func TestLoader(t *testing.T) {
	if got := loaderOf("/bin/sh"); !strings.HasPrefix(got, "/lib") || !strings.Contains(got, "ld") {
		t.Errorf("/bin/sh is started by %q", got)
	}
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	static := filepath.Join(dir, "static")
	build := exec.Command("go", "build", "-o", static, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	none := func(string) bool { return false }
	for path, want := range map[string]string{static: "", "/bin/sh": "/bin/sh is dynamically linked, and the image odoo:18.0 does not have /lib"} {
		c := Checker{On: Here, Path: path}
		c.startable("the image odoo:18.0", none)
		if want == "" && c.Err != nil || want != "" && (c.Err == nil || !strings.Contains(c.Err.Error(), want) || !strings.Contains(c.Err.Error(), "CGO_ENABLED=0 go install ")) {
			t.Errorf("%s: %v", path, c.Err)
		}
		c = Checker{On: Here, Path: path}
		if c.startable("this machine", onThisMachine); c.Err != nil {
			t.Errorf("%s: %v", path, c.Err)
		}
	}
}
