package docker_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/odpm/odpm/host/engine/docker"
)

// counted is a socket in front of the engine's that counts questions.
func counted(t *testing.T) (asked func() []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all []string
	to := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", "/var/run/docker.sock")
	}}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for in := bufio.NewReader(conn); ; {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					mu.Lock()
					all = append(all, req.Method+" "+req.URL.Path)
					mu.Unlock()
					req.URL.Scheme, req.URL.Host = "http", "docker"
					resp, err := to.RoundTrip(req)
					if err != nil {
						return
					}
					resp.Write(conn)
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
			}()
		}
	}()
	t.Cleanup(func() { l.Close(); to.CloseIdleConnections() })
	t.Setenv("DOCKER_HOST", "unix://"+path)
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		was := all
		all = nil
		return was
	}
}

// TestHoldersAmongMany: how many other containers there are does not change how
// often the engine is asked.
func TestHoldersAmongMany(t *testing.T) {
	ctx := limit(t)
	need(t, image)
	dir := t.TempDir()
	start := func(n int) {
		t.Helper()
		for i := range n {
			id := strings.TrimSpace(run(t, "run", "-d", "-v", t.TempDir()+":/x", "-v", fmt.Sprintf("/anonymous%d", i), "--entrypoint", "sleep", image, "600"))
			t.Cleanup(func() { run(t, "rm", "-fv", id) })
		}
	}
	start(1)
	holder := strings.TrimSpace(run(t, "run", "-d", "-v", dir+":/d", "--entrypoint", "sleep", image, "600"))
	t.Cleanup(func() { run(t, "rm", "-fv", holder) })
	asked := counted(t)
	holders := func() (int, []string) {
		t.Helper()
		e := docker.New(docker.Options{Project: "odpm-nobody", Service: "db", Dir: dir, DataDir: dir, VolumeName: "v"})
		found, err := e.Holders(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return len(found), asked()
	}
	n, few := holders()
	if n != 1 {
		t.Errorf("%d holders", n)
	}
	start(4)
	asked()
	n, more := holders()
	if n != 1 || len(more) > len(few) {
		t.Errorf("%d holders, %d questions with one container beside it and %d with five:\n%s", n, len(few), len(more), strings.Join(more, "\n"))
	}
}
