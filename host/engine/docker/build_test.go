package docker_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engine/docker"
)

// TestBuildBesideRemoval: three projects build the same image at once and remove it again,
// so that the classic builder's cache has layers that are gone when it needs them.
func TestBuildBesideRemoval(t *testing.T) {
	need(t, image)
	ctx, dir := limit(t), t.TempDir()
	dockerfile := fmt.Sprintf("FROM %s\nLABEL odpm.test=%d\nCOPY f /f\nENV x=1\nRUN true\n", image, os.Getpid())
	for name, text := range map[string]string{"Dockerfile": dockerfile, "f": t.Name()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for i := range 3 {
		tag := fmt.Sprintf("odpm-test-removal-%d:%d", os.Getpid(), i)
		wg.Go(func() {
			for range 15 {
				var out bytes.Buffer
				err := docker.New(docker.Options{}).Build(ctx, engine.Build{Dir: dir, Tag: tag, Out: &out})
				exec.Command("docker", "rmi", "-f", tag).Run()
				if err != nil {
					t.Errorf("%v\n%s", err, out.String())
					return
				}
			}
		})
	}
	wg.Wait()
	if left := run(t, "ps", "-a", "--filter", fmt.Sprintf("label=odpm.test=%d", os.Getpid())); strings.Contains(left, "\n") {
		t.Errorf("containers of builds are left:\n%s", left)
	}
}

// TestBuildFailsOnce: a build that fails by itself is not begun again, whatever it says.
func TestBuildFailsOnce(t *testing.T) {
	need(t, image)
	ctx, dir := limit(t), t.TempDir()
	id := "sha256:" + strings.Repeat("ab", 32)
	dockerfile := "FROM " + image + "\nRUN echo began$((40+2)) && echo wanted " + id + " >&2 && false " + id + "\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err := docker.New(docker.Options{}).Build(ctx, engine.Build{Dir: dir, Tag: "odpm-test-fails:1", Out: &out})
	// BuildKit repeats the output of the step that failed.
	if n := strings.Count(out.String(), "began42"); err == nil || n < 1 || n > 2 {
		t.Errorf("begun %d times: %v\n%s", n, err, out.String())
	}
}
