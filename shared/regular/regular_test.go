package regular_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/odpm/odpm/shared/regular"
)

// TestRead: nothing that is in a file's place keeps the reader, and no link is
// followed where somebody else could have made it.
func TestRead(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.WriteFile(at("file"), []byte("text"), 0o600))
	check(os.WriteFile(at("long"), make([]byte, 101), 0o600))
	check(os.Mkdir(at("dir"), 0o700))
	check(syscall.Mkfifo(at("pipe"), 0o600))
	check(os.Symlink("file", at("link")))
	check(os.Symlink("pipe", at("link-to-pipe")))
	check(os.Symlink("/etc/passwd", at("out")))
	check(os.Symlink("/etc", at("etc")))
	check(os.Symlink("/dev/zero", at("zero")))
	check(os.Symlink("/dev/null", at("null")))
	l, err := net.Listen("unix", at("sock"))
	check(err)
	defer l.Close()
	root, err := os.OpenRoot(dir)
	check(err)
	defer root.Close()

	for _, name := range []string{"pipe", "link-to-pipe", "file", "sock"} {
		if _, err := regular.OpenRoot(at(name)); !errors.Is(err, syscall.ENOTDIR) {
			t.Errorf("%s as a root: %v", name, err)
		}
	}

	const refused, tooLong, ok = "not a regular file", "larger than 100 bytes", ""
	for name, want := range map[string][3]string{
		// a person's, somebody else's, somebody else's below a root
		"file":         {ok, ok, ok},
		"long":         {tooLong, tooLong, tooLong},
		"dir":          {refused, refused, refused},
		"pipe":         {refused, refused, refused},
		"link":         {ok, refused, refused},
		"link-to-pipe": {refused, refused, refused},
		"out":          {tooLong, refused, refused},
		"etc/passwd":   {tooLong, tooLong, "path escapes"},
		"zero":         {tooLong, refused, refused},
		"null":         {ok, refused, refused},
		"sock":         {refused, refused, refused},
		"none":         {"no such file", "no such file", "no such file"},
	} {
		for i, read := range []func() ([]byte, error){
			func() ([]byte, error) { return regular.Read(at(name), 100) },
			func() ([]byte, error) { return regular.ReadNoLink(at(name), 100) },
			func() ([]byte, error) { return regular.ReadIn(root, name, 100) },
		} {
			_, err := read()
			switch {
			case want[i] == ok && err != nil, want[i] != ok && (err == nil || !strings.Contains(err.Error(), want[i])):
				t.Errorf("%s, way %d: %v, want %q", name, i, err, want[i])
			case want[i] == refused && !errors.Is(err, regular.ErrNotRegular), name == "none" && !errors.Is(err, fs.ErrNotExist):
				t.Errorf("%s, way %d: %v", name, i, err)
			}
		}
	}
}
