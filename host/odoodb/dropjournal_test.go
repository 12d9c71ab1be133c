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

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/create"
	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/odoodb/fault"
	"github.com/odpm/odpm/host/odoodb/journal"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/server"
)

// TestDropCutShort: below 13 a drop closes the database first. Whether a person
// presses Ctrl-C while it waits or PostgreSQL refuses, it is open again.
func TestDropCutShort(t *testing.T) {
	s, _ := odoodbtest.Server12(t)
	odoodbtest.MustAdmin(t, s, server.Maintenance, `CREATE DATABASE prod`)
	files := filepath.Join(s.Files.Path("prod"), "ab")
	if err := os.MkdirAll(files, 0o755); err != nil {
		t.Fatal(err)
	}
	holder, err := s.Admin(ctx, server.Maintenance)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close(holder)
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
			if c, err := s.Admin(ctx, server.Maintenance); err == nil {
				var waits bool
				_ = c.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'DROP DATABASE%' AND wait_event_type = 'Lock')`).Scan(&waits)
				engine.Close(c)
				if waits {
					return
				}
			}
		}
	}()
	if _, err := drop.Database(work, s, "prod"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if a := odoodbtest.Allowed(t, s, "prod"); a == nil || !*a {
		t.Error("after Ctrl-C the database is still there and lets nobody in")
	}
	if _, err := holder.Exec(ctx, `ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	if !odoodbtest.Present(files) || journal.Interrupted(s.StateDir) {
		t.Error("the file store is gone, or there is a journal left")
	}
	// PostgreSQL refuses a template that nobody has looked at.
	fault.At = func(at string) {
		if at == "drop begun" {
			odoodbtest.MustAdmin(t, s, server.Maintenance, `ALTER DATABASE prod IS_TEMPLATE true`)
		}
	}
	_, err = drop.Database(ctx, s, "prod")
	fault.At = func(string) {}
	if err == nil || !strings.Contains(err.Error(), "template") {
		t.Errorf("a template: %v", err)
	}
	if a := odoodbtest.Allowed(t, s, "prod"); a == nil || !*a {
		t.Error("after a refusal the database lets nobody in")
	}
	odoodbtest.MustAdmin(t, s, server.Maintenance, `ALTER DATABASE prod IS_TEMPLATE false`)
	if rep, err := drop.Database(ctx, s, "prod"); err != nil || rep.Filestore != s.Files.Path("prod") || odoodbtest.Present(rep.Filestore) {
		t.Errorf("in the end: %+v %v", rep, err)
	}
}

// TestDropKilled: after a kill at any moment the next run opens the database,
// or finishes the drop where it is gone.
func TestDropKilled(t *testing.T) {
	old, password := odoodbtest.Server12(t)
	for _, s := range []*server.Server{odoodbtest.NewServer(t), old} {
		for _, station := range []string{"drop begun", "drop closed", "drop done", "drop emptied"} {
			if station == "drop closed" && s != old {
				continue // not from 13 on
			}
			if err := create.Empty(ctx, s, "db", create.Options{}); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(s.Files.Path("db"), "ab"), 0o755); err != nil {
				t.Fatal(err)
			}
			cmd := helper(s, t, "drop", "", station)
			if s == old {
				cmd.Env = append(cmd.Env, odoodbtest.AdminPasswordEnv+"="+password)
			}
			killedAt(t, cmd)
			if !journal.Interrupted(s.StateDir) {
				t.Errorf("%s: nothing was left for the next run", station)
			}
			gone := station == "drop done" || station == "drop emptied"
			done, err := Recover(ctx, s, nil)
			if err != nil || len(done) != 1 || !done[0].Drop || done[0].Completed != gone {
				t.Errorf("%s: %+v %v", station, done, err)
			}
			if a := odoodbtest.Allowed(t, s, "db"); gone != (a == nil) || a != nil && !*a || gone == odoodbtest.Present(s.Files.Path("db")) || journal.Interrupted(s.StateDir) {
				t.Errorf("%s: afterwards: %v", station, a)
			}
			if !gone {
				if _, err := drop.Database(ctx, s, "db"); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// A database that was made under the name since has its own files.
func TestDropRecoverySparesANewcomer(t *testing.T) {
	s := odoodbtest.NewServer(t)
	if err := create.Empty(ctx, s, "db", create.Options{}); err != nil {
		t.Fatal(err)
	}
	killedAt(t, helper(s, t, "drop", "", "drop done"))
	if err := create.Empty(ctx, s, "db", create.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(s.Files.Path("db"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Recover(ctx, s, nil); err != nil {
		t.Fatal(err)
	}
	if !odoodbtest.Present(s.Files.Path("db")) || !slices.Contains(odoodbtest.Databases(t, s), "db") {
		t.Error("the new database or its file store is gone")
	}
}

// TestDropOfFilesOfOthers: files that this user may not remove are found out
// before the database is dropped.
func TestDropOfFilesOfOthers(t *testing.T) {
	s := odoodbtest.NewServer(t)
	if err := create.Empty(ctx, s, "db", create.Options{}); err != nil {
		t.Fatal(err)
	}
	dir := s.Files.Path("db")
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
	if _, err := drop.Database(ctx, s, "db"); err == nil || !strings.Contains(err.Error(), "was not dropped") {
		t.Errorf("got %v", err)
	}
	if !slices.Contains(odoodbtest.Databases(t, s), "db") {
		t.Error("the database is gone and its files are not")
	}
}
