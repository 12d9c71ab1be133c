// Package e2e runs both binaries as built, the way a person types them, on
// real servers and the real Docker engine. One script, one behaviour.
package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/odpm/odpm/test/programs"
	toType "github.com/odpm/odpm/test/typed"
)

var update = flag.Bool("update", false, "write docker-compose.example.yml anew")

// bin holds odpm and odpm-checker, built once.
var bin string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	moreAtOnce()
	dir, err := os.MkdirTemp("", "odpm-bin")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	if err := programs.Build(dir, nil, programs.ODPM, programs.Checker); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// moreAtOnce runs twice as many scripts at once as there are processors, where
// nobody said -parallel: for half of its time a script waits, for a server that
// starts or a container that stops.
func moreAtOnce() {
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "test.parallel" })
	if !said {
		flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0)))
	}
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
	programs.Tested(t)
	collected := collecting{T: t, log: &strings.Builder{}}
	if dir == "testdata/native" {
		// A path with a space in it: what odpm prints of it has to be quoted.
		// testscript keeps everything below a WorkdirRoot, so it is given none.
		root, err := os.MkdirTemp(os.Getenv("GOTMPDIR"), "a b")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(root) })
		t.Setenv("GOTMPDIR", root)
	} else {
		collected.more = append(collected.more, toType.Docker)
	}
	testscript.RunT(collected, testscript.Params{
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
