package native_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPlantedSocket: whoever writes in the data directory says in
// postmaster.pid where the socket is. One that is not the server's gets
// nothing, the administrator's password least of all.
func TestPlantedSocket(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	e, o := newEngine(t)
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	dir := place(t)
	l, err := net.Listen("unix", filepath.Join(dir, ".s.PGSQL."+strconv.Itoa(o.Port)))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Chmod(l.Addr().String(), 0o777); err != nil {
		t.Fatal(err)
	}
	pidFile := filepath.Join(o.DataDir, "postmaster.pid")
	was, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	defer os.WriteFile(pidFile, was, 0o600)
	lines := strings.Split(string(was), "\n")
	lines[4] = dir
	if err := os.WriteFile(pidFile, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := e.Dial(ctx)
	if err == nil {
		c.Close()
		t.Fatal("it connected to somebody else's socket")
	}
	if !strings.Contains(err.Error(), "is not the socket of the server") || !strings.Contains(err.Error(), "ps -p "+strconv.Itoa(os.Getpid())) {
		t.Error(err)
	}
}

// TestHostileFiles: a pipe, or a link to somebody's file, in the place of a
// file of the server's keeps nobody and shows nothing.
func TestHostileFiles(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	e, o := stopped(ctx, t)
	secret := filepath.Join(place(t), "secret")
	if err := os.WriteFile(secret, []byte("a host's secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pidFile := filepath.Join(o.DataDir, "postmaster.pid")
	for _, make := range []func() error{
		func() error { return syscall.Mkfifo(pidFile, 0o600) },
		func() error { return os.Symlink(secret, pidFile) },
	} {
		os.Remove(pidFile)
		if err := make(); err != nil {
			t.Fatal(err)
		}
		for what, ask := range map[string]func() error{
			"status":  func() error { _, err := e.Status(ctx); return err },
			"holders": func() error { _, err := e.Holders(ctx); return err },
			"start":   func() error { return e.Start(ctx) },
			"stop":    func() error { return e.Stop(ctx) },
		} {
			if err := ask(); err == nil || !strings.Contains(err.Error(), "not a regular file") || strings.Contains(err.Error(), "secret\"") {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	os.Remove(pidFile)

	// The collector's list names a log: anybody's file of this machine.
	if err := os.WriteFile(filepath.Join(o.DataDir, "postgresql.auto.conf"), []byte("no_such_parameter = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(o.DataDir, "current_logfiles")
	if err := os.WriteFile(list, []byte("stderr "+secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	os.Chtimes(list, later, later)
	err := e.Start(ctx)
	if err == nil || !strings.Contains(err.Error(), "no_such_parameter") {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 && strings.Contains(err.Error(), "a host's secret") {
		t.Errorf("a host's file is shown: %v", err)
	}
}
