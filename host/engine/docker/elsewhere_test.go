package docker_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engine/docker"
)

// An engine that is given another root sees other files under the same path,
// or none.
func TestSees(t *testing.T) {
	ctx := limit(t)
	need(t, image)
	e := docker.New(docker.Options{})
	path := filepath.Join(t.TempDir(), "nonce")
	if err := os.WriteFile(path, []byte("right"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		path, content string
		want          bool
	}{{path, "right", true}, {path, "of another machine", false}, {path + ".none", "right", false}, {"/odpm-nowhere/nonce", "right", false}} {
		if got, err := e.Sees(ctx, image, tc.path, tc.content); err != nil || got != tc.want {
			t.Errorf("%s with %q: %v %v", tc.path, tc.content, got, err)
		}
	}
	if _, err := e.Sees(ctx, "odpm/no-such-image", path, "right"); err == nil {
		t.Error("an engine that runs no container has answered")
	}
	a, err := e.EngineInfo(ctx)
	if b, err2 := e.EngineInfo(ctx); err != nil || err2 != nil || a.ID == "" || a != b || a.Remapped {
		t.Errorf("%+v %+v %v %v", a, b, err, err2)
	}
	if uid, gid, err := e.HostIDs(ctx, image, 101, 7); err != nil || uid != 101 || gid != 7 {
		t.Errorf("%d:%d %v", uid, gid, err)
	}
}

// A client that could not attach leaves the container as it was made, and ends
// with 1: that is no program's code, and nothing stays behind.
func TestOneOffNeverRan(t *testing.T) {
	ctx := limit(t)
	need(t, image)
	dir := t.TempDir()
	e := fake(t, `[ "$1" = run ] || exec $docker "$@"
shift
$docker create "$@" >`+dir+`/made
echo 'unable to upgrade to tcp, received 409' >&2
exit 1
`)
	_, _, err := e.HostIDs(ctx, image, 0, 0)
	var exit *engine.ExitError
	if err == nil || errors.As(err, &exit) || !strings.Contains(err.Error(), "409") {
		t.Errorf("%v", err)
	}
	id, err := os.ReadFile(filepath.Join(dir, "made"))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("docker", "inspect", strings.TrimSpace(string(id))).CombinedOutput(); err == nil {
		t.Errorf("it is still there: %.200s", out)
	}
}

// A name that is taken is no exit code of the program's.
func TestRunOnceRefused(t *testing.T) {
	ctx := limit(t)
	o := project(t)
	e := docker.New(o)
	for program, ran := range map[string]bool{"false": true, "/no/such/program": false} {
		err := e.RunOnce(ctx, engine.RunOnce{Service: o.Service, Entrypoint: program, NoDeps: true})
		if exit, ok := err.(*engine.ExitError); ok != ran || ok && exit.Code != 1 || err == nil {
			t.Errorf("%s: %v", program, err)
		}
	}
	if all, err := e.Containers(ctx, o.Project); err != nil || len(all) != 0 {
		t.Errorf("left: %+v %v", all, err)
	}
}

// Root in a rootless engine's container is the person here; Podman 4.3 says that
// it is rootless in a field of its own. A socket of root's takes no question.
func TestRootless(t *testing.T) {
	ctx := limit(t)
	other := os.Getuid()
	if other == 0 {
		other = 4711
	}
	for name, tc := range map[string]struct {
		info  string
		owner int
		want  bool
	}{
		"podman":             {`{"ID": "a", "SecurityOptions": ["name=seccomp,profile=default"], "Rootless": true}`, other, true},
		"docker":             {`{"ID": "a", "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"]}`, other, true},
		"a socket lent":      {`{"ID": "a", "SecurityOptions": ["name=seccomp,profile=builtin"]}`, other, false},
		"the socket of root": {`not asked`, 0, false},
	} {
		socket := filepath.Join(t.TempDir(), "sock")
		l, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Api-Version", "1.41")
			if strings.HasSuffix(r.URL.Path, "/info") {
				fmt.Fprint(w, tc.info)
			}
		})}}
		s.Start()
		if tc.owner != os.Getuid() && os.Getuid() != 0 {
			continue // root alone gives files away
		}
		if err := os.Chown(socket, tc.owner, -1); err != nil {
			t.Fatal(err)
		}
		t.Setenv("DOCKER_HOST", "unix://"+socket)
		e := docker.NewReader(docker.Options{})
		if got, err := e.Rootless(ctx); err != nil || got != tc.want {
			t.Errorf("%s: %v %v", name, got, err)
		}
		if info, err := e.EngineInfo(ctx); tc.owner != 0 && (err != nil || info.Rootless != tc.want || info.Remapped != tc.want) {
			t.Errorf("%s: %+v %v", name, info, err)
		}
		s.Close()
	}
}

// On a busy machine the first container of an image may take more than a minute:
// that engine is slow, not elsewhere.
func TestSeesLate(t *testing.T) {
	ctx := limit(t)
	need(t, image)
	e := fake(t, `case $* in *type=bind*) exec sleep 600 ;; esac
exec $docker "$@"
`)
	e.SetAnswerTime(2 * time.Second)
	if _, err := e.Sees(ctx, image, filepath.Join(t.TempDir(), "nonce"), "right"); err == nil || !strings.Contains(err.Error(), "no answer within 2s") {
		t.Errorf("%v", err)
	}
}
