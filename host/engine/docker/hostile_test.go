package docker_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engine/docker"
	"github.com/odpm/odpm/host/wording"
)

// peak is the most memory that this process has had, in bytes.
func peak(t *testing.T) int64 {
	t.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return r.Maxrss << 10
}

// questions are what a command asks of a running container.
func questions(ctx context.Context, e *docker.Engine) map[string]func() error {
	return map[string]func() error{
		"status": func() error {
			// The published address answers, whatever the shell is.
			s, err := e.Status(ctx)
			if err == nil && !s.Ready {
				return errors.New("not ready")
			}
			return nil
		},
		"psql line": func() error { e.Psql(ctx, "odoo"); return nil },
		"start":     func() error { return refused(e.Start(ctx)) },
		"dial": func() error {
			c, err := e.Dial(ctx)
			if err == nil {
				c.Close()
			}
			return refused(err)
		},
		"program": func() error {
			out := &wording.Answer{Max: 1 << 10}
			return refused(e.Command(ctx, engine.Command{Argv: []string{"pg_dump", "--version"}, Stdout: out}))
		},
		"logs": func() error { _, err := e.Logs(ctx, 20); return err },
	}
}

func refused(err error) error {
	if err == nil {
		return errors.New("it was believed")
	}
	return nil
}

// TestEvilShell: what is called sh in a container is whatever somebody who got
// in there has put in its place.
func TestEvilShell(t *testing.T) {
	o := project(t)
	if err := docker.New(o).Start(limit(t)); err != nil {
		t.Fatal(err)
	}
	id := container(t, o)
	run(t, "exec", "-u", "0", id, "sh", "-c", "cp -a /bin/sh /bin/sh.real")
	for name, text := range map[string]string{"never ends": "exec yes aaaa", "never answers": "exec sleep 3600"} {
		t.Run(name, func(t *testing.T) {
			run(t, "exec", "-u", "0", id, "sh.real", "-c", `rm -f /bin/sh; printf "#!/bin/sh.real\n%s\n" "$1" >/bin/sh; chmod 755 /bin/sh`, "sh", text)
			e := docker.New(o)
			e.SetAnswerTime(2 * time.Second)
			for what := range questions(limit(t), e) {
				if what == "program" && name == "never answers" {
					continue // its time is the caller's
				}
				ctx, cancel := context.WithTimeout(limit(t), 15*time.Second)
				ask := questions(ctx, e)[what]
				ended := make(chan error, 1)
				go func() { ended <- ask() }()
				select {
				case err := <-ended:
					if err != nil {
						t.Errorf("%s: %v", what, err)
					}
				case <-time.After(90 * time.Second):
					t.Errorf("%s has no end", what)
				}
				cancel()
			}
			if n := peak(t); n > 256<<20 {
				t.Errorf("it took %d MiB", n>>20)
			}
		})
	}
}

// fake puts a docker of ours first on PATH: a script in which $docker is the
// client itself.
func fake(t *testing.T, text string) *docker.Engine {
	t.Helper()
	program, err := exec.LookPath(docker.Program)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "docker"), fmt.Appendf(nil, "#!/bin/sh\ndocker='%s'\n%s", program, text), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
	return docker.New(docker.Options{Project: "x", Service: "db", OdooService: "odoo", Dir: dir, Files: []string{filepath.Join(dir, "compose.yml")}})
}

// TestEndlessAnswer: compose's document and the engine's answers are bounded.
func TestEndlessAnswer(t *testing.T) {
	ctx := limit(t)
	before := peak(t)
	e := fake(t, `asked() { while read -r line && [ ${#line} -gt 1 ]; do :; done; }
case "$*" in
*dial-stdio*) asked; printf 'HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 0\r\n\r\n'
asked; printf 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n["'; exec tr "\\0" a </dev/zero;;
*) exec yes aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;;
esac
`)
	if _, err := e.Config(ctx, nil); !errors.Is(err, wording.ErrTooMuch) || !strings.Contains(err.Error(), "docker compose config") {
		t.Errorf("config: %v", err)
	}
	if _, err := e.Containers(ctx, "x"); err == nil {
		t.Error("an endless answer was believed")
	} else {
		t.Log(err)
	}
	if n := peak(t) - before; n > 512<<20 {
		t.Errorf("it took %d MiB", n>>20)
	}
}

// TestNoAnswer: a client, or an engine behind it, that says nothing.
func TestNoAnswer(t *testing.T) {
	e := fake(t, "exec sleep 3600\n")
	e.SetAnswerTime(time.Second)
	for what, ask := range map[string]func() error{
		"config":     func() error { _, err := e.Config(context.Background(), nil); return err },
		"containers": func() error { _, err := e.Containers(context.Background(), "x"); return err },
	} {
		ended := make(chan error, 1)
		go func() { ended <- ask() }()
		select {
		case err := <-ended:
			if err == nil {
				t.Errorf("%s: nothing was believed", what)
			}
		case <-time.After(time.Minute):
			t.Errorf("%s has no end", what)
		}
	}
}

// TestDeafClient: a client that ignores SIGTERM ends soon after Ctrl-C.
func TestDeafClient(t *testing.T) {
	on := filepath.Join(t.TempDir(), "on")
	e := fake(t, "trap '' TERM INT HUP\n: >"+on+"\nwhile :; do sleep 0.1; done\n")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { _, err := e.Config(ctx, nil); ended <- err }()
	for _, err := os.Stat(on); err != nil; _, err = os.Stat(on) {
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it has no end")
	}
}
