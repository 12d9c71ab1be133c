package odoodb

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/test/localpg"
)

// server12 is a server of its own without DROP DATABASE … WITH (FORCE).
func server12(t *testing.T) (s *Server, password string) {
	t.Helper()
	bin, err := localpg.Bin("12")
	if err != nil {
		t.Fatal(err)
	}
	cl, err := localpg.New("", bin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Remove)
	if err := errors.Join(cl.Launch(), cl.WaitReady(time.Minute)); err != nil {
		t.Fatal(err)
	}
	pg := odoodbtest.Attach(bin, cl.SocketDir(), cl.Port)
	before := rootPassword
	rootPassword = cl.Password
	t.Cleanup(func() { rootPassword = before })
	return &Server{PG: pg, AppRole: "postgres", Admin: adminWith(pg, cl.Password), Files: filestore.Layout{DataDir: t.TempDir()}, StateDir: t.TempDir()}, cl.Password
}

// allowed is datallowconn, nil where the database is gone.
func allowed(t *testing.T, s *Server, database string) *bool {
	t.Helper()
	return value[*bool](t, s, maintenance, `SELECT (SELECT datallowconn FROM pg_database WHERE datname = $1)`, database)
}

// TestDropCutShort: below 13 a drop closes the database first. Whether a person
// presses Ctrl-C while it waits or PostgreSQL refuses, it is open again.
func TestDropCutShort(t *testing.T) {
	s, _ := server12(t)
	mustAdmin(t, s, maintenance, `CREATE DATABASE prod`)
	files := filepath.Join(s.filestore("prod"), "ab")
	if err := os.MkdirAll(files, 0o755); err != nil {
		t.Fatal(err)
	}
	holder, err := s.Admin(ctx, maintenance)
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(holder)
	// Something that DROP waits for.
	for _, sql := range []string{`BEGIN`, `COMMENT ON DATABASE prod IS 'x'`} {
		if _, err := holder.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if c, err := s.Admin(ctx, maintenance); err == nil {
				var waits bool
				_ = c.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'DROP DATABASE%' AND wait_event_type = 'Lock')`).Scan(&waits)
				closeConn(c)
				if waits {
					return
				}
			}
		}
	}()
	if _, err := s.Drop(work, "prod"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if a := allowed(t, s, "prod"); a == nil || !*a {
		t.Error("after Ctrl-C the database is still there and lets nobody in")
	}
	if _, err := holder.Exec(ctx, `ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	if !present(files) || Interrupted(s.StateDir) {
		t.Error("the file store is gone, or there is a journal left")
	}
	// PostgreSQL refuses a template that nobody has looked at.
	fault = func(at string) {
		if at == "drop begun" {
			mustAdmin(t, s, maintenance, `ALTER DATABASE prod IS_TEMPLATE true`)
		}
	}
	_, err = s.Drop(ctx, "prod")
	fault = func(string) {}
	if err == nil || !strings.Contains(err.Error(), "template") {
		t.Errorf("a template: %v", err)
	}
	if a := allowed(t, s, "prod"); a == nil || !*a {
		t.Error("after a refusal the database lets nobody in")
	}
	mustAdmin(t, s, maintenance, `ALTER DATABASE prod IS_TEMPLATE false`)
	if rep, err := s.Drop(ctx, "prod"); err != nil || rep.Filestore != s.filestore("prod") || present(rep.Filestore) {
		t.Errorf("in the end: %+v %v", rep, err)
	}
}

// TestDropKilled: after a kill at any moment the next run opens the database,
// or finishes the drop where it is gone.
func TestDropKilled(t *testing.T) {
	old, password := server12(t)
	for _, s := range []*Server{newServer(t), old} {
		for _, station := range []string{"drop begun", "drop closed", "drop done", "drop emptied"} {
			if station == "drop closed" && s != old {
				continue // not from 13 on
			}
			if err := s.Create(ctx, "db", CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(s.filestore("db"), "ab"), 0o755); err != nil {
				t.Fatal(err)
			}
			cmd := s.helper(t, "drop", "", station)
			if s == old {
				cmd.Env = append(cmd.Env, adminPasswordEnv+"="+password)
			}
			killedAt(t, cmd)
			if !Interrupted(s.StateDir) {
				t.Errorf("%s: nothing was left for the next run", station)
			}
			gone := station == "drop done" || station == "drop emptied"
			done, err := s.Recover(ctx, nil)
			if err != nil || len(done) != 1 || !done[0].Drop || done[0].Completed != gone {
				t.Errorf("%s: %+v %v", station, done, err)
			}
			if a := allowed(t, s, "db"); gone != (a == nil) || a != nil && !*a || gone == present(s.filestore("db")) || Interrupted(s.StateDir) {
				t.Errorf("%s: afterwards: %v", station, a)
			}
			if !gone {
				if _, err := s.Drop(ctx, "db"); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// A database that was made under the name since has its own files.
func TestDropRecoverySparesANewcomer(t *testing.T) {
	s := newServer(t)
	if err := s.Create(ctx, "db", CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	killedAt(t, s.helper(t, "drop", "", "drop done"))
	if err := s.Create(ctx, "db", CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(s.filestore("db"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recover(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if !present(s.filestore("db")) || !slices.Contains(databases(t, s), "db") {
		t.Error("the new database or its file store is gone")
	}
}

// TestDropOfFilesOfOthers: files that this user may not remove are found out
// before the database is dropped.
func TestDropOfFilesOfOthers(t *testing.T) {
	s := newServer(t)
	if err := s.Create(ctx, "db", CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	dir := s.filestore("db")
	if err := os.MkdirAll(filepath.Join(dir, "ab"), 0o755); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		// Root may write everywhere but where nobody may.
		if err := syscall.Mount(dir, dir, "", syscall.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
		defer syscall.Unmount(dir, syscall.MNT_DETACH)
		if err := syscall.Mount("", dir, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
	} else {
		if err := os.Chmod(filepath.Join(dir, "ab"), 0o555); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(filepath.Join(dir, "ab"), 0o755)
	}
	if _, err := s.Drop(ctx, "db"); err == nil || !strings.Contains(err.Error(), "was not dropped") {
		t.Errorf("got %v", err)
	}
	if !slices.Contains(databases(t, s), "db") {
		t.Error("the database is gone and its files are not")
	}
}
