package odoodb

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/server"
)

// oldDatabase is a small Odoo database with a file store, called db, which
// restores replace.
func oldDatabase(t *testing.T, s *server.Server) {
	t.Helper()
	odoodbtest.OldOdoo(t, s, "db", "18.0.1.3", `CREATE TABLE only_in_the_old_one (x int)`, `INSERT INTO only_in_the_old_one SELECT generate_series(1, 1000)`,
		`CREATE TABLE ir_attachment (id serial, store_fname varchar)`, `INSERT INTO ir_attachment (store_fname) VALUES ('ab/old')`)
	dir := filepath.Join(s.Files.Path("db"), "ab")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "old"), []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	odoodbtest.MustAdmin(t, s, server.Maintenance, `ALTER DATABASE db SET work_mem TO '7MB'`)
}

// whole is what must be the same: rows, schema, files, and that one may log in.
func whole(t *testing.T, s *server.Server, database string) string {
	t.Helper()
	return odoodbtest.Fingerprint(t, s, database) + odoodbtest.Value[string](t, s, server.Maintenance,
		`SELECT concat_ws(' ', datallowconn, datistemplate, (SELECT setconfig::text FROM pg_db_role_setting WHERE setdatabase = d.oid)) FROM pg_database d WHERE datname = $1`, database)
}

// belongTogether fails the test if one may log in to db while its file store is
// another one's: old is the replaced database's oid, whose file store has ab/old.
func belongTogether(t *testing.T, s *server.Server, old int) {
	t.Helper()
	// In one question: a statement of the killed process may still be on its way.
	state := odoodbtest.Value[string](t, s, server.Maintenance, `SELECT coalesce((SELECT format('%s %s', CASE WHEN oid::int = $1 THEN 'old' ELSE 'new' END,
		CASE WHEN datallowconn THEN 'open' ELSE 'closed' END) FROM pg_database WHERE datname = 'db'), 'missing')`, old)
	files := "new"
	switch dir := s.Files.Path("db"); {
	case !odoodbtest.Present(dir):
		files = "no"
	case odoodbtest.Present(filepath.Join(dir, "ab", "old")):
		files = "old"
	}
	which, open, _ := strings.Cut(state, " ")
	if open != "closed" && which != files {
		t.Errorf("the database of that name is the %s one and has %s files", state, files)
	}
}

// TestRestoreKilled kills -9 a process that restores: at each station of its
// way, and at eight moments that a seed chooses. Before anybody has cleaned
// up, the old database is there and whole, or the new one is in its place, and
// one may log in to neither while its files are not its own; after Recover
// there is one or the other and nothing else.
func TestRestoreKilled(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoo := odooFile(filepath.Dir(s.StateDir) + "/odoo-runs")
	if err := odoo.Start(ctx); err != nil {
		t.Fatal(err)
	}
	odoodbtest.LoadFixture(t, s, "new")
	odoodbtest.MustAdmin(t, s, server.Maintenance, `ALTER DATABASE new SET work_mem TO '7MB'`)
	fixtureRestored := whole(t, s, "new")
	oldDatabase(t, s)
	old := whole(t, s, "db")
	start := time.Now()
	if err := helper(s, t, "restore", "testdata/o18.zip", "").Run(); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	if whole(t, s, "db") != fixtureRestored {
		t.Fatal("an undisturbed restore does not give what psql gives")
	}

	small, smallRestored := smallArchive(t, s)
	moments := []string{"journal", "created", "loader made", "filled", "adapted", "handed over", "proven", "shut", "renamed", "files half", "files moved", "opened", "swapped"}
	rng := rand.New(rand.NewPCG(20, 4))
	for range 8 {
		moments = append(moments, (time.Duration(rng.Int64N(int64(took)))).String())
	}
	completed := 0
	for _, at := range moments {
		t.Run(at, func(t *testing.T) {
			if err := odoodbtest.DropAll(s, "db"); err != nil {
				t.Fatal(err)
			}
			oldDatabase(t, s)
			oldOID := odoodbtest.Value[int](t, s, server.Maintenance, `SELECT oid::int FROM pg_database WHERE datname = 'db'`)
			file, restored := small, smallRestored
			after, err := time.ParseDuration(at)
			if err == nil {
				file, restored = "testdata/o18.zip", fixtureRestored
			}
			child := helper(s, t, "restore", file, at)
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			if err == nil {
				time.Sleep(after)
				_ = child.Process.Kill()
			}
			_ = child.Wait()

			// As it is now: a person looks with odpm database list.
			all, err := List(ctx, s)
			if err != nil {
				t.Fatal(err)
			}
			var now Database
			for _, d := range all {
				if d.Name == "db" {
					now = d
				}
			}
			nowOID := odoodbtest.Value[int](t, s, server.Maintenance, `SELECT coalesce((SELECT oid::int FROM pg_database WHERE datname = 'db'), 0)`)
			switch {
			case nowOID == 0:
				t.Error("there is no database of that name")
			case nowOID == oldOID && now.State != Initialised && now.State != Closed:
				t.Errorf("the old database is %+v", now)
			case nowOID != oldOID && !now.IsOdoo && now.State != Closed:
				t.Errorf("the new database is %+v", now)
			case now.State == Closed && !strings.Contains(now.Reason, "the next run of odpm opens it again"):
				t.Errorf("nothing says why nobody may log in: %+v", now)
			}
			belongTogether(t, s, oldOID)

			done, err := Recover(ctx, s, odoo)
			if err != nil {
				t.Fatal(err)
			}
			got := whole(t, s, "db")
			switch {
			case len(done) == 0 && got != restored && got != old, len(done) == 1 && done[0].Completed && got != restored, len(done) == 1 && !done[0].Completed && got != old, len(done) > 1:
				t.Errorf("after %+v: the database is neither the old nor the new one as a whole (old %v, new %v)", done, got == old, got == restored)
			}
			if got == restored {
				completed++
			}
			if running, _ := odoo.Running(ctx); !running {
				t.Error("Odoo was not started again")
			}
			odoodbtest.NoLeftovers(t, s)
			if left, err := LeftOvers(ctx, s); err != nil || len(left) > 0 {
				t.Errorf("left over: %v %+v", err, left)
			}
		})
	}
	if completed < 2 || completed > len(moments)-4 {
		t.Errorf("%d of %d were completed: the moments are not spread", completed, len(moments))
	}
	if _, err := restore.Run(ctx, s, restore.Options{File: "testdata/o18.zip", Database: "db"}); err != nil || whole(t, s, "db") != fixtureRestored {
		t.Errorf("the next restore: %v", err)
	}
}
