// Package e2e runs both binaries as built, the way a person types them, on
// real servers and the real Docker engine. One script, one behaviour.
package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write docker-compose.example.yml anew")

// bin holds odpm and odpm-checker, built once.
var bin string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	dir, err := os.MkdirTemp("", "odpm-bin")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	for _, pkg := range []string{"./host/cmd/odpm", "./checker/cmd/odpm-checker"} {
		cmd := exec.Command("go", "build", "-o", dir+"/", pkg)
		cmd.Dir = filepath.Join("..", "..")
		// Static, as released: the checker is copied into images.
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build %s: %v\n%s", pkg, err, out)
			return 1
		}
	}
	// The server's user must be able to reach test directories.
	os.Chmod(dir, 0o755)
	return m.Run()
}

// TestNative needs PostgreSQL's own programs and no Docker.
func TestNative(t *testing.T) { scripts(t, "testdata/native") }

// TestDocker needs a Docker engine with compose, and the images of make setup.
func TestDocker(t *testing.T) {
	if out, err := exec.Command("docker", "compose", "version").CombinedOutput(); err != nil {
		t.Fatalf("docker compose does not answer; run: make setup\n%s", out)
	}
	if out, err := exec.Command("docker", "info", "--format", "{{.ServerVersion}}").CombinedOutput(); err != nil {
		t.Fatalf("no Docker engine answers; run: make setup\n%s", out)
	}
	scripts(t, "testdata/docker")
}

func scripts(t *testing.T, dir string) {
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		Setup:               setup,
		Cmds:                commands(),
		RequireExplicitExec: true,
		Condition: func(cond string) (bool, error) {
			if cond == "update" {
				return *update, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
	})
}
