package docker

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/datadir"
	"time"

	"golang.org/x/sys/unix"
)

// inShell runs what otherwise runs in a container; it has an end.
func inShell(t *testing.T, script string, env ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", script, "sh", "")
	cmd.Env, cmd.WaitDelay = append(os.Environ(), env...), time.Second
	out, err := cmd.Output()
	if ctx.Err() != nil || errors.Is(err, exec.ErrWaitDelay) {
		t.Fatalf("it waits: %v", err)
	}
	return string(out)
}

// hostileFiles are what a container may put in a file's place; secret is a
// regular file elsewhere.
func hostileFiles(secret string) map[string]func(path string) error {
	return map[string]func(string) error{
		"pipe":              func(p string) error { return unix.Mkfifo(p, 0o666) },
		"link to a file":    func(p string) error { return os.Symlink(secret, p) },
		"link to /dev/zero": func(p string) error { return os.Symlink("/dev/zero", p) },
		"directory":         func(p string) error { return os.Mkdir(p, 0o755) },
	}
}

// TestServerPlaceReadsFiles: in the place of postmaster.pid nothing else is read.
func TestServerPlaceReadsFiles(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("1\n2\n3\n6543\n/secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const ask = serverPlace + `echo "$port $sock"`
	for kind, plant := range hostileFiles(secret) {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			if err := plant(dir + "/postmaster.pid"); err != nil {
				t.Fatal(err)
			}
			if out := inShell(t, ask, "PGDATA="+dir, "PGPORT=", "port=1", "sock=/x"); out != "5432 /var/run/postgresql\n" {
				t.Errorf("%q", out)
			}
		})
	}
	if out := inShell(t, ask, "PGDATA="+filepath.Dir(secret), "PGPORT="); out != "5432 /var/run/postgresql\n" {
		t.Errorf("no file: %q", out)
	}
	if err := os.Rename(secret, filepath.Dir(secret)+"/postmaster.pid"); err != nil {
		t.Fatal(err)
	}
	if out := inShell(t, ask, "PGDATA="+filepath.Dir(secret), "PGPORT="); out != "6543 /secret\n" {
		t.Errorf("a file: %q", out)
	}
}

// TestLookReadsFiles: neither as a cluster's files nor on the way to them.
func TestLookReadsFiles(t *testing.T) {
	outside := t.TempDir()
	secret := filepath.Join(outside, "PG_VERSION")
	if err := errors.Join(os.WriteFile(secret, []byte("s3cret\n"), 0o600), os.MkdirAll(outside+"/docker", 0o755),
		os.WriteFile(outside+"/docker/PG_VERSION", []byte("s3cret\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	look := func(dir string) string {
		return inShell(t, strings.Replace(lookScript, "/data", dir, 1))
	}
	for kind, plant := range hostileFiles(secret) {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			if err := plant(dir + "/PG_VERSION"); err != nil {
				t.Fatal(err)
			}
			if out := look(dir); strings.Contains(out, "version\t") || strings.Contains(out, "s3cret") {
				t.Errorf("PG_VERSION: %q", out)
			}
			dir = t.TempDir()
			if err := errors.Join(os.WriteFile(dir+"/PG_VERSION", []byte("15\n"), 0o600), os.Mkdir(dir+"/global", 0o755), plant(dir+"/global/pg_control")); err != nil {
				t.Fatal(err)
			}
			if out := look(dir); !strings.Contains(out, "version\t.\t15\n") || strings.Contains(out, "control\t") {
				t.Errorf("pg_control: %q", out)
			}
		})
	}
	t.Run("directories", func(t *testing.T) {
		dir := t.TempDir()
		if err := errors.Join(os.Symlink(outside, dir+"/data"), os.Symlink(outside, dir+"/17")); err != nil {
			t.Fatal(err)
		}
		if out := look(dir); strings.Contains(out, "version\t") || strings.Contains(out, "s3cret") {
			t.Errorf("%q", out)
		}
		if err := os.MkdirAll(dir+"/18/docker", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir+"/18/docker/PG_VERSION", []byte("18\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if out := look(dir); !strings.Contains(out, "version\t18/docker\t18\n") {
			t.Errorf("%q", out)
		}
	})
}

// TestLookAtBegunInitdb: initdb makes its directories before PG_VERSION.
func TestLookAtBegunInitdb(t *testing.T) {
	for _, at := range []string{".", "18/docker", "data"} {
		dir := t.TempDir()
		for _, name := range []string{"pg_wal/archive_status", "global", "base/1"} {
			if err := os.MkdirAll(filepath.Join(dir, at, name), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		look := func() datadir.Facts {
			return parseLook(inShell(t, strings.Replace(lookScript, "/data", dir, 1)), datadir.Facts{}, 18, "")
		}
		if f := look(); f.State != datadir.Unfinished || f.Reason != datadir.NoVersion {
			t.Errorf("%s: %+v", at, f)
		}
		if err := os.WriteFile(filepath.Join(dir, at, "notes.txt"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if f := look(); f.State != datadir.Other {
			t.Errorf("%s, and something else: %+v", at, f)
		}
	}
}
