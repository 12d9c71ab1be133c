package docker_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/engine/docker"
)

// machine is one where docker is this script, or is not at all.
func machine(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if script != "" {
		if err := os.WriteFile(filepath.Join(dir, "docker"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

func TestAvailable(t *testing.T) {
	need(t)
	for name, tt := range map[string]struct {
		change func(t *testing.T)
		part   string
		says   []string
	}{
		"no client": {func(t *testing.T) { machine(t, "") }, "client", []string{"no docker client", "apt-get install", "ODPM_RUNTIME=native"}},
		"no engine": {func(t *testing.T) { t.Setenv("DOCKER_HOST", "unix:///nowhere/docker.sock") }, "engine",
			[]string{"DOCKER_HOST=unix:///nowhere/docker.sock", "docker info"}},
		"a password in DOCKER_HOST": {func(t *testing.T) { t.Setenv("DOCKER_HOST", "tcp://me:hunter2@127.0.0.1:1") }, "engine", []string{"tcp://me@127.0.0.1:1"}},
		"no right": {func(t *testing.T) {
			machine(t, `echo "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock" >&2; exit 1`)
		}, "engine", []string{"permission denied", "usermod -aG docker"}},
		"no compose": {func(t *testing.T) {
			machine(t, `[ "$1" = version ] && { echo 28.0.1; exit 0; }; echo "docker: 'compose' is not a docker command." >&2; exit 1`)
		}, "compose", []string{"no compose plugin", "docker-compose"}},
		"an old compose": {func(t *testing.T) {
			machine(t, `[ "$1" = version ] && { echo 28.0.1; exit 0; }; echo 1.29.2`)
		}, "compose", []string{"version 1.29.2", "2 or newer"}},
	} {
		t.Run(name, func(t *testing.T) {
			tt.change(t)
			err := docker.Available(context.Background())
			var u *docker.Unavailable
			if !errors.As(err, &u) || u.Part != tt.part {
				t.Fatalf("%v", err)
			}
			for _, want := range tt.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a secret: %v", err)
			}
		})
	}
}

// A docker that cannot be asked matters only where a server may be running.
func TestContainerHoldersWithoutDocker(t *testing.T) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "a place")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	ask := func(t *testing.T) error {
		t.Helper()
		h, err := docker.ContainerHolders(ctx, dir)
		if len(h) > 0 {
			t.Errorf("%+v", h)
		}
		return err
	}
	denied := `echo "permission denied while trying to connect" >&2; exit 1`
	t.Run("no client, no pid file", func(t *testing.T) {
		machine(t, "")
		if err := ask(t); err != nil {
			t.Error(err)
		}
	})
	t.Run("no right, no pid file", func(t *testing.T) {
		machine(t, denied)
		if err := ask(t); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(filepath.Join(dir, "postmaster.pid"), []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("no client", func(t *testing.T) {
		machine(t, "")
		if err := ask(t); err != nil {
			t.Error(err)
		}
	})
	t.Run("no right", func(t *testing.T) {
		machine(t, denied)
		if err := ask(t); err == nil || !strings.Contains(err.Error(), "rm '"+dir+"/postmaster.pid'") || !strings.Contains(err.Error(), "usermod") {
			t.Errorf("%v", err)
		}
	})
}
