// Package checkerimage tests what Dockerfile.checker makes: the images that
// are shipped, run by the real engine.
package checkerimage

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/test/programs"
)

const (
	version = "9.8.7-test"
	commit  = "0123456789abcdef0123456789abcdef01234567"
	date    = "2026-11-24T02:45:43Z"
	shown   = "odpm-checker 9.8.7-test (commit 0123456789ab, 2026-11-24T02:45:43Z)"
)

// The two targets, under names of this run.
var (
	binaryImage = fmt.Sprintf("odpm-test-checker:%d", os.Getpid())
	odooImage   = fmt.Sprintf("odpm-test-odoo:%d", os.Getpid())
)

func TestMain(m *testing.M) {
	for image, target := range map[string]string{binaryImage: "binary", odooImage: "odoo"} {
		build := exec.Command("docker", "build", "--quiet", "--force-rm", "-f", "Dockerfile.checker", "--target", target, "-t", image,
			"--build-arg", "VERSION="+version, "--build-arg", "COMMIT="+commit, "--build-arg", "DATE="+date,
			"--build-arg", "ODOO_IMAGE=odoo:18.0", ".")
		build.Dir = "../.."
		// Debian's docker.io has no buildx, and the file does without.
		build.Env = append(os.Environ(), "DOCKER_BUILDKIT=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "docker build --target %s: %v\n%s\n(is the engine up and are its base images there? run: make setup)\n", target, err, out)
			os.Exit(1)
		}
	}
	code := m.Run()
	exec.Command("docker", "rmi", "--force", binaryImage, odooImage).Run()
	os.Exit(code)
}

func try(args ...string) (string, error) {
	out, err := exec.Command("docker", args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := try(args...)
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// once runs a container to its end and gives its exit code.
func once(t *testing.T, args ...string) (string, int) {
	t.Helper()
	programs.Tested(t)
	out, err := try(append([]string{"run", "--rm", "--pull", "never"}, args...)...)
	if exit, ok := err.(*exec.ExitError); ok {
		return out, exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out, 0
}

func inspect(t *testing.T, image string) (c struct {
	User            string
	Env, Entrypoint []string
	Cmd             []string
	Volumes         map[string]any
}) {
	t.Helper()
	if err := json.Unmarshal([]byte(docker(t, "image", "inspect", "--format", "{{json .Config}}", image)), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// files lists what an image holds, without what Docker itself puts into every
// container.
func files(t *testing.T, image string) []string {
	t.Helper()
	id := docker(t, "create", image)
	defer try("rm", id)
	out, err := exec.Command("sh", "-c", "docker export "+id+" | tar -t").Output()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, name := range strings.Fields(string(out)) {
		switch name {
		case ".dockerenv", "dev/", "dev/console", "dev/pts/", "dev/shm/", "etc/", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf", "proc/", "sys/":
		default:
			names = append(names, name)
		}
	}
	return names
}

func TestBinaryTarget(t *testing.T) {
	if got := files(t, binaryImage); len(got) != 1 || got[0] != "odpm-checker" {
		t.Errorf("the image holds %v, want the program alone: no shell, no library", got)
	}
	if out, code := once(t, binaryImage, "--version"); code != 0 || out != shown {
		t.Errorf("%d %s", code, out)
	}
	// Any uid, nothing writable, no capability, no network.
	for _, user := range []string{"0", "101", "12345:54321", "65534"} {
		out, code := once(t, "--user", user, "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none",
			"-e", "PGHOST=127.0.0.1", "-e", "PGUSER=odoo", binaryImage, "--timeout", "300ms")
		if code != 69 || !strings.Contains(out, "nothing listens on 127.0.0.1:5432") {
			t.Errorf("as %s: %d %s", user, code, out)
		}
	}
	// A uid without a name has no role either, and is told so.
	if out, code := once(t, "--user", "12345", binaryImage); code != 78 || !strings.Contains(out, "uid 12345 has no name; set db_user") {
		t.Errorf("%d %s", code, out)
	}
	if out, code := once(t, "-e", "PGUSER=odoo", binaryImage, "--", "sh"); code != 127 {
		t.Errorf("%d %s", code, out)
	}
}

// TestCopyFrom is what docs/reference/checker.md tells people who build images.
func TestCopyFrom(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Dockerfile"), "FROM debian:bookworm-slim\nCOPY --from="+binaryImage+
		" /odpm-checker /usr/local/bin/odpm-checker\nUSER 4711\nENTRYPOINT [\"odpm-checker\", \"--\"]\nCMD [\"id\", \"-u\"]\n")
	image := fmt.Sprintf("odpm-test-copy:%d", os.Getpid())
	build := exec.Command("docker", "build", "--quiet", "-t", image, dir)
	build.Env = append(os.Environ(), "DOCKER_BUILDKIT=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	t.Cleanup(func() { try("rmi", "--force", image) })
	n := newNetwork(t)
	n.postgres(t)
	out, code := once(t, "--network", n.name, "-e", "PGHOST=db", "-e", "PGUSER=acme", "-e", "PGPASSWORD=secret", image)
	if code != 0 || !strings.HasSuffix(out, "\n4711") || !strings.Contains(out, "login proven") {
		t.Errorf("%d %s", code, out)
	}
}

func TestOdooTargetKeepsTheImage(t *testing.T) {
	base, ours := inspect(t, "odoo:18.0"), inspect(t, odooImage)
	if strings.Join(ours.Entrypoint, " ") != "/usr/local/bin/odpm-checker -- /entrypoint.sh" || strings.Join(ours.Cmd, " ") != "odoo" {
		t.Errorf("entrypoint %v, command %v", ours.Entrypoint, ours.Cmd)
	}
	if ours.User != base.User || strings.Join(ours.Env, " ") != strings.Join(base.Env, " ") || fmt.Sprint(ours.Volumes) != fmt.Sprint(base.Volumes) {
		t.Errorf("the image's own settings: %+v, were %+v", ours, base)
	}
	// The uid that Odoo runs as is the image's, and needs no database.
	uid, code := once(t, "--entrypoint", "id", "odoo:18.0", "-u")
	if code != 0 {
		t.Fatal(uid)
	}
	if out, code := once(t, odooImage, "id", "-u"); code != 0 || out != uid {
		t.Errorf("%d %s, want %s", code, out, uid)
	}
	if out, code := once(t, "--entrypoint", "odpm-checker", odooImage, "--version"); code != 0 || out != shown {
		t.Errorf("%d %s", code, out)
	}
}

// TestExample: examples/image is what a person copies for an image of their own.
func TestExample(t *testing.T) {
	image := fmt.Sprintf("odpm-test-example:%d", os.Getpid())
	build := exec.Command("docker", "build", "--quiet", "--force-rm", "-t", image, "--build-arg", "CHECKER_IMAGE="+binaryImage, "../../examples/image")
	build.Env = append(os.Environ(), "DOCKER_BUILDKIT=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("docker build: %v\n%s", err, out)
	}
	t.Cleanup(func() { exec.Command("docker", "rmi", "--force", image).Run() })
	if want, got := inspect(t, odooImage), inspect(t, image); fmt.Sprintf("%+v", want) != fmt.Sprintf("%+v", got) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if out, code := once(t, "--entrypoint", "odpm-checker", image, "--version"); code != 0 || out != shown {
		t.Errorf("%d %s", code, out)
	}
}

// TestReadOnlyRoot: to stand behind the image's script, the checker finds a
// place in any container: /dev/shm, and where there is none, Odoo's home.
func TestReadOnlyRoot(t *testing.T) {
	n := newNetwork(t)
	n.postgres(t)
	for _, more := range [][]string{nil, {"--ipc", "none"}} {
		args := append(append([]string{"--network", n.name, "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"}, more...), login...)
		if out, code := once(t, append(args, odooImage, "odoo", "--stop-after-init")...); code != 0 || !strings.Contains(out, "login proven") {
			t.Errorf("%v: %d %s", more, code, out)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func until(t *testing.T, what string, ok func() bool, containers ...string) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if ok() {
			return
		}
	}
	for _, id := range containers {
		t.Log(logs(id))
	}
	t.Fatalf("%s: not within a minute", what)
}
