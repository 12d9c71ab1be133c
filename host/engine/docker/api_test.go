package docker_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/engine/docker"
)

// TestQuestionsShareAProcess: what is asked of the engine goes over one
// connection, which one docker process carries.
func TestQuestionsShareAProcess(t *testing.T) {
	ctx := limit(t)
	need(t, image)
	dir := t.TempDir()
	fake(t, `echo "$*" >>`+dir+`/ran
exec $docker "$@"
`)
	e := docker.New(docker.Options{Project: "odpm-nobody", Service: "db", OdooService: "odoo", Dir: dir, DataDir: dir, VolumeName: "v"})
	for range 5 {
		if _, err := e.Image(ctx, image); err != nil {
			t.Fatal(err)
		}
		if _, _, err := e.UserID(ctx, image, ""); err != nil {
			t.Fatal(err)
		}
		if all, err := e.Containers(ctx, "odpm-nobody"); err != nil || len(all) != 0 {
			t.Fatalf("%+v %v", all, err)
		}
		if _, err := e.Holders(ctx); err != nil {
			t.Fatal(err)
		}
	}
	ran, err := os.ReadFile(filepath.Join(dir, "ran"))
	if err != nil || string(ran) != "system dial-stdio\n" {
		t.Errorf("%v, docker ran as\n%s", err, ran)
	}
}

// TestEngineUnreached: docker's own words say why nobody answers.
func TestEngineUnreached(t *testing.T) {
	ask := func(ctx context.Context) error {
		_, err := docker.New(docker.Options{}).Containers(ctx, "x")
		return err
	}
	t.Run("no engine", func(t *testing.T) {
		t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(t.TempDir(), "none.sock"))
		err := ask(limit(t))
		var f *docker.Failure
		if !errors.As(err, &f) || !strings.Contains(f.Stderr, "none.sock") || !strings.HasPrefix(err.Error(), "docker ps: ") {
			t.Errorf("%v", err)
		}
	})
	t.Run("another server", func(t *testing.T) {
		s := httptest.NewServer(http.NotFoundHandler())
		defer s.Close()
		t.Setenv("DOCKER_HOST", "tcp://"+s.Listener.Addr().String())
		if err := ask(limit(t)); err == nil || !strings.Contains(err.Error(), "not a Docker engine") {
			t.Errorf("%v", err)
		}
	})
	t.Run("an engine newer than this", func(t *testing.T) {
		var asked string
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Api-Version", "9.99")
			if r.URL.Path != "/_ping" {
				asked = r.URL.Path
				w.WriteHeader(http.StatusConflict)
			}
		}))
		defer s.Close()
		t.Setenv("DOCKER_HOST", "tcp://"+s.Listener.Addr().String())
		err := ask(limit(t))
		if asked != "/v1.47/containers/json" {
			t.Errorf("asked for %s, whose answers this was not written for", asked)
		}
		if err == nil || strings.Contains(err.Error(), "exit code") || !strings.Contains(err.Error(), "409 Conflict") {
			t.Errorf("%v", err)
		}
	})
	t.Run("no client", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		var u *docker.Unavailable
		if err := ask(limit(t)); !errors.As(err, &u) || u.Part != "client" {
			t.Errorf("%v", err)
		}
	})
	t.Run("a server that says nothing", func(t *testing.T) {
		hold := make(chan struct{})
		s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-hold:
			case <-r.Context().Done():
			}
		}))
		defer s.Close()
		defer close(hold)
		t.Setenv("DOCKER_HOST", "tcp://"+s.Listener.Addr().String())
		ctx, cancel := context.WithCancel(limit(t))
		go cancel()
		if err := ask(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}
