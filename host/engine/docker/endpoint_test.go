package docker_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/odpm/odpm/host/engine/docker"
)

// TestSocket: the engine is asked directly only where docker's own client would
// use the same socket.
func TestSocket(t *testing.T) {
	program, err := exec.LookPath(docker.Program)
	if err != nil {
		t.Fatal(err)
	}
	script := t.TempDir()
	if err := os.WriteFile(filepath.Join(script, "docker"), []byte("#!/bin/sh\nexec podman \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	launcher := t.TempDir()
	if err := os.Symlink("/bin/true", filepath.Join(launcher, "docker")); err != nil {
		t.Fatal(err)
	}
	const local = "/var/run/docker.sock"
	for _, c := range []struct {
		name, host, context, config, path string
		env                               []string
		want                              string
	}{
		{name: "nothing said", want: local},
		{name: "a socket", host: "unix:///run/user/1000/docker.sock", want: "/run/user/1000/docker.sock"},
		{name: "a socket in the project's .env", env: []string{"DOCKER_HOST=unix:///x.sock"}, want: "/x.sock"},
		{name: "ssh", host: "ssh://somebody@elsewhere", want: ""},
		{name: "tcp", host: "tcp://127.0.0.1:2375", want: ""},
		{name: "a socket without a path", host: "unix://", want: ""},
		{name: "host before context", host: "unix:///x.sock", context: "other", want: "/x.sock"},
		{name: "a context", context: "other", want: ""},
		{name: "the default context", context: "default", config: `{"currentContext": "other"}`, want: local},
		{name: "a configured context", config: `{"currentContext": "desktop-linux"}`, want: ""},
		{name: "a configured default", config: `{"currentContext": "default", "auths": {}}`, want: local},
		{name: "a broken configuration", config: `{`, want: ""},
		{name: "somebody's script", path: script, want: ""},
		{name: "a launcher", path: launcher, want: ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := t.TempDir()
			if c.config != "" {
				if err := os.WriteFile(filepath.Join(config, "config.json"), []byte(c.config), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("DOCKER_CONFIG", config)
			t.Setenv("DOCKER_HOST", c.host)
			t.Setenv("DOCKER_CONTEXT", c.context)
			if c.path == "" {
				c.path = filepath.Dir(program)
			}
			t.Setenv("PATH", c.path)
			if got := docker.Socket(c.env); got != c.want {
				t.Errorf("%q, wanted %q", got, c.want)
			}
		})
	}
}
