package docker_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/engine/docker"
	"github.com/odpm/odpm/host/engine/enginetest"
	"github.com/odpm/odpm/test/localpg"
)

const image = "postgres:15"

// run is the oracle's hand: docker as a person types it.
func run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// pause pauses a container. One that begins processes all the time (its health check)
// is not always frozen at the first try: "unable to freeze".
func pause(t *testing.T, container string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		out, err := exec.Command("docker", "pause", container).CombinedOutput()
		if err == nil {
			return
		}
		if time.Now().After(end) || !strings.Contains(string(out), "unable to freeze") {
			t.Fatalf("docker pause %s: %v\n%s", container, err, out)
		}
	}
}

func need(t *testing.T, images ...string) {
	t.Helper()
	if err := docker.Available(context.Background()); err != nil {
		t.Fatalf("%v\nrun: make setup", err)
	}
	for _, i := range images {
		if err := exec.Command("docker", "image", "inspect", i).Run(); err != nil {
			t.Fatalf("the image %s is not on this machine; run: make setup", i)
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	port, err := localpg.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func limit(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// project is a directory with a compose file as odpm writes it.
func project(t *testing.T) docker.Options {
	t.Helper()
	need(t, image)
	dir, err := os.MkdirTemp("", "odpm-docker-")
	if err == nil {
		// Other users, PostgreSQL's among them, must pass.
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	o := docker.Options{
		Dir: dir, Project: strings.ReplaceAll(strings.ToLower(filepath.Base(dir)), "_", "-"), Service: "db", OdooService: "odoo",
		Files: []string{filepath.Join(dir, "docker-compose.yml")}, VolumeName: "postgres-data",
		DataDir: filepath.Join(dir, "data"), Image: image, Major: 15,
	}
	t.Cleanup(func() {
		exec.Command("docker", "compose", "-p", o.Project, "-f", o.Files[0], "down", "-v", "-t", "2", "--remove-orphans").Run()
		// A test may have rewritten the file, and `down` knows only what it names.
		out, _ := exec.Command("docker", "volume", "ls", "-q", "--filter", "label=com.docker.compose.project="+o.Project).Output()
		for _, v := range strings.Fields(string(out)) {
			exec.Command("docker", "volume", "rm", v).Run()
		}
		os.RemoveAll(dir)
	})
	write(t, o, fmt.Sprintf(`services:
  db:
    image: %s
    environment:
      POSTGRES_PASSWORD: boot-secret
    ports: ["127.0.0.1:%d:5432"]
    volumes: ["postgres-data:/var/lib/postgresql/data"]
    stop_grace_period: 2m
volumes:
  postgres-data:
    driver: local
    driver_opts: {type: none, o: bind, device: %s}
`, image, freePort(t), o.DataDir))
	if err := os.Mkdir(o.DataDir, 0o755); err != nil {
		t.Fatal(err)
	}
	return o
}

func write(t *testing.T, o docker.Options, text string) {
	t.Helper()
	if err := os.WriteFile(o.Files[0], []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// container is the id of PostgreSQL's container.
func container(t *testing.T, o docker.Options) string {
	t.Helper()
	return run(t, "ps", "-aq", "--filter", "label=com.docker.compose.project="+o.Project, "--filter", "label=com.docker.compose.service="+o.Service)
}

// TestConformance runs on both layouts of the official image.
func TestConformance(t *testing.T) {
	for _, major := range []int{15, 18} {
		t.Run(fmt.Sprint("PostgreSQL ", major), func(t *testing.T) {
			enginetest.Run(t, func(t *testing.T) enginetest.Subject { return subject(t, major) })
		})
	}
}

func subject(t *testing.T, major int) enginetest.Subject {
	o := project(t)
	if major != o.Major {
		o.Major, o.Image = major, fmt.Sprint("postgres:", major)
		need(t, o.Image)
		change(t, o, image, o.Image)
		change(t, o, "/var/lib/postgresql/data", datadir.MountTarget(major))
	}
	return enginetest.Subject{
		PG: docker.New(o), Major: major, Password: "boot-secret", Dir: o.Dir,
		Kill: func(t *testing.T) { run(t, "kill", "-s", "KILL", container(t, o)) },
		Leftovers: func(t *testing.T) int {
			n := 0
			for _, l := range strings.Split(run(t, "top", container(t, o), "-eo", "pid,args"), "\n")[1:] {
				if f := strings.Fields(l); len(f) > 1 && !strings.HasPrefix(f[1], "postgres") {
					n++
				}
			}
			return n
		},
	}
}
