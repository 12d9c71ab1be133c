package docker_test

import (
	"os"
	"path/filepath"
	"testing"

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
