package odoodb

import (
	"errors"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/odpm/odpm/host/odoodb/fault"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/quote"
)

// killedAt runs a helper that must end by killing itself at a station.
func killedAt(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) || !exit.Sys().(syscall.WaitStatus).Signaled() {
		t.Fatalf("%v: it did not pass that station: %v", cmd.Args[len(cmd.Args)-1], err)
	}
}

// TestRecoverKilled: what puts a killed restore right can be killed as well, at
// each station of its own, and the run after it has to go on from there.
func TestRecoverKilled(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoo := odooFile(filepath.Dir(s.StateDir) + "/odoo-runs")
	if err := odoo.Start(ctx); err != nil {
		t.Fatal(err)
	}
	small, restored := smallArchive(t, s)
	for restore, stations := range map[string][]string{
		"proven":      {"recovering", "dropping", "revert dropped", "revert emptied"},
		"shut":        {"revert begun", "revert renamed", "dropping", "revert dropped", "revert emptied"},
		"renamed":     {"recovering", "complete moved", "opened", "dropping", "finish dropped", "finish emptied"},
		"files half":  {"complete moved", "opened", "finish emptied"},
		"files moved": {"opened", "finish emptied"},
		"opened":      {"recovering", "finish emptied"},
		"swapped":     {"dropping", "finish dropped", "finish emptied"},
	} {
		for _, station := range stations {
			t.Run(restore+", then "+station, func(t *testing.T) {
				if err := odoodbtest.DropAll(s, "db"); err != nil {
					t.Fatal(err)
				}
				oldDatabase(t, s)
				old := whole(t, s, "db")
				oldOID := odoodbtest.Value[int](t, s, server.Maintenance, `SELECT oid::int FROM pg_database WHERE datname = 'db'`)
				killedAt(t, helper(s, t, "restore", small, restore))
				belongTogether(t, s, oldOID)
				killedAt(t, helper(s, t, "recover", small, station))
				belongTogether(t, s, oldOID)
				// Twice at the same place, since the second has less to do.
				_ = helper(s, t, "recover", small, station).Run()
				belongTogether(t, s, oldOID)
				if _, err := Recover(ctx, s, odoo); err != nil {
					t.Fatal(err)
				}
				want := old
				if restore != "proven" && restore != "shut" {
					want = restored
				}
				if whole(t, s, "db") != want {
					t.Error("the database or its file store is not whole")
				}
				if running, _ := odoo.Running(ctx); !running {
					t.Error("Odoo was not started again")
				}
				odoodbtest.NoLeftovers(t, s)
			})
		}
	}
}

// TestRecoverBesideADrop: the drop that a killed run sent ends just before this
// run's own. The file store of that database has to go all the same.
func TestRecoverBesideADrop(t *testing.T) {
	s := odoodbtest.NewServer(t)
	small, restored := smallArchive(t, s)
	oldDatabase(t, s)
	killedAt(t, helper(s, t, "restore", small, "swapped"))
	locks := 0
	fault.At = func(at string) {
		switch at {
		case "recovering":
			locks = odoodbtest.Value[int](t, s, server.Maintenance, `SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory'
				AND pid <> pg_backend_pid() AND mode = 'ShareLock'`)
		case "dropping":
			fault.At = func(string) {}
			for _, db := range odoodbtest.Databases(t, s) {
				if len(db) > 4 && db[len(db)-4:] == "_old" {
					odoodbtest.MustAdmin(t, s, server.Maintenance, `ALTER DATABASE `+quote.Ident(db)+` IS_TEMPLATE false`, `DROP DATABASE `+quote.Ident(db))
				}
			}
		}
	}
	defer func() { fault.At = func(string) {} }()
	done, err := Recover(ctx, s, nil)
	if err != nil || len(done) != 1 || !done[0].Completed || done[0].Kept != "" {
		t.Errorf("%+v %v", done, err)
	}
	if locks == 0 {
		t.Error("the recovery does not hold the restore's lock: the next one would not wait for its statements")
	}
	if whole(t, s, "db") != restored {
		t.Error("the database or its file store is not whole")
	}
	odoodbtest.NoLeftovers(t, s)
}
