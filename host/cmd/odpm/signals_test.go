package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/odpm/odpm/host/interrupt"
)

// stuck are places where a run may be when a signal comes. Each says "ready"
// on stdout when it is there.
var stuck = map[string]func(context.Context){
	// A read that the kernel does not give up.
	"in a pipe": func(context.Context) {
		syscall.Mkfifo("pipe", 0o600)
		fmt.Println("ready")
		os.ReadFile("pipe")
	},
	"computing": func(context.Context) {
		fmt.Println("ready")
		for n := uint(1); n != 0; n |= 1 {
		}
	},
	"cleaning up": func(ctx context.Context) {
		fmt.Println("ready")
		<-ctx.Done()
		_, done := interrupt.Cleanup(ctx, time.Minute)
		time.Sleep(interrupt.Grace + time.Second)
		os.WriteFile("cleaned", nil, 0o600)
		done()
		select {}
	},
	"cleaning up for ever": func(ctx context.Context) {
		fmt.Println("ready")
		<-ctx.Done()
		interrupt.Cleanup(ctx, time.Hour)
		os.WriteFile("cleaning", nil, 0o600)
		select {}
	},
}

func TestMain(m *testing.M) {
	if place := os.Getenv("ODPM_TEST_STUCK"); place != "" {
		ctx, _ := untilSignal(context.Background())
		stuck[place](ctx)
		os.Exit(99)
	}
	os.Exit(m.Run())
}

// TestSignal: one signal ends a run wherever it is, and not before it has
// cleaned up; a second one does not wait for that.
func TestSignal(t *testing.T) {
	for place := range stuck {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			cmd := exec.Command(os.Args[0])
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "ODPM_TEST_STUCK="+place)
			var errs bytes.Buffer
			cmd.Stderr = &errs
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			guard := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
			defer guard.Stop()
			if line, _ := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
				t.Fatalf("%q", line)
			}
			cmd.Process.Signal(syscall.SIGTERM)
			if strings.HasSuffix(place, "for ever") {
				for _, err := os.Stat(filepath.Join(dir, "cleaning")); err != nil; _, err = os.Stat(filepath.Join(dir, "cleaning")) {
					time.Sleep(10 * time.Millisecond)
				}
				time.Sleep(forced)
				cmd.Process.Signal(os.Interrupt)
			}
			cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
				t.Errorf("exit code %d (%s)\n%s", code, cmd.ProcessState, &errs)
			}
			if place == "cleaning up" {
				if _, err := os.Stat(filepath.Join(dir, "cleaned")); err != nil {
					t.Error("it was ended while it cleaned up")
				}
				if !strings.Contains(errs.String(), "cleaning up what this run began") {
					t.Errorf("nothing says why it takes so long:\n%s", &errs)
				}
			}
		})
	}
}

// TestUnreadMessages: a full pipe that nobody reads keeps no run.
func TestUnreadMessages(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	fd := int(w.Fd())
	syscall.SetNonblock(fd, true)
	for _, err := syscall.Write(fd, make([]byte, 4096)); err == nil; _, err = syscall.Write(fd, make([]byte, 4096)) {
	}
	syscall.SetNonblock(fd, false)
	cmd := exec.Command(os.Args[0])
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "ODPM_TEST_STUCK=computing")
	cmd.Stderr = w
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	guard := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
	defer guard.Stop()
	bufio.NewReader(out).ReadString('\n')
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
		t.Errorf("exit code %d (%s)", code, cmd.ProcessState)
	}
}
