// Package programs builds odpm and odpm-checker for the tests that run them.
package programs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// The programs by their packages.
const (
	ODPM    = "./host/cmd/odpm"
	Checker = "./checker/cmd/odpm-checker"
)

// Build puts programs into dir, static as they are released, with flags for
// go build. dir becomes one that every user may enter: servers and containers
// run what is in it as somebody else.
func Build(dir string, flags []string, packages ...string) error {
	top, err := root()
	if err != nil {
		return err
	}
	args := append([]string{"build", "-o", dir + "/"}, flags...)
	cmd := exec.Command("go", append(args, packages...)...)
	cmd.Dir = top
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return os.Chmod(dir, 0o755)
}

// Tested makes a test's result one of the programs' sources. go test keeps a
// result until the test binary, or a file that a test has looked at, is
// another; what a test binary builds by itself is neither, and "ok (cached)"
// would be shown for programs that are broken. What TestMain looks at does
// not count, so each test that runs a program says it.
func Tested(t testing.TB) {
	t.Helper()
	if err := look(); err != nil {
		t.Fatal(err)
	}
}

// look is done once for a test binary.
var look = sync.OnceValue(func() error {
	top, err := root()
	if err != nil {
		return err
	}
	for _, part := range []string{"go.mod", "go.sum", "Dockerfile.checker", "checker", "host", "shared"} {
		err := filepath.WalkDir(filepath.Join(top, part), func(path string, _ fs.DirEntry, err error) error {
			if err == nil {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
})

// root is the module's directory; a test runs in its package's.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("there is no go.mod above the test's directory")
		}
		dir = filepath.Dir(dir)
	}
}
