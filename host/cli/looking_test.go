package cli

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
)

// TestLooking: a command that only looks shows on a terminal that it is at work, while
// a Docker engine accepts connections and says nothing.
func TestLooking(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "odpm.json"), []byte(`{"postgres_version": "15", "odoo_version": "18.0"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	engine, err := net.Listen("unix", filepath.Join(dir, "docker.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	t.Setenv("DOCKER_HOST", "unix://"+engine.Addr().String())
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "1")
	t.Setenv("HOME", dir)
	var all sync.WaitGroup
	for _, args := range [][]string{
		{"plan"}, {"doctor"}, {"explain", "data_path"}, {"render", "swarm"},
		{"database", "status"}, {"database", "list"}, {"database", "ensure-role", "--show-sql"},
	} {
		all.Go(func() { looked(t, append(args, "-C", dir)) })
	}
	all.Wait()
}

func looked(t *testing.T, args []string) {
	person, program, err := pty.Open()
	if err != nil {
		t.Error(err)
		return
	}
	defer person.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		New(program, program, program, args, os.Environ(), nil).Run(ctx)
		program.Close()
	}()
	defer func() { cancel(); <-done }()
	if err := person.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Error(err)
	}
	var got []byte
	for buf := make([]byte, 1024); !bytes.Contains(got, []byte("odpm: looking at the project … ")); {
		n, err := person.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			t.Errorf("%q: %v: %q", args, err, got)
			return
		}
	}
}
