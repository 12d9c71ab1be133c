package odoodb

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/odoodb/adminpass"
	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/create"
	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/odoodb/journal"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/swap"
	"github.com/odpm/odpm/host/quote"
)

// TestDropInterruptedInPostgreSQL: power that is lost while PostgreSQL removes a
// database's files leaves a row that can only be dropped, marked as invalid or, by
// servers before 15.4 and its like, without a directory. The next run drops the rest,
// whether a journal says that a drop was begun or a person asks for one.
func TestDropInterruptedInPostgreSQL(t *testing.T) {
	for _, major := range []string{"12", "18"} {
		s, _ := odoodbtest.ServerOf(t, major)
		var files string
		made := func(name string) (oid uint32) {
			t.Helper()
			odoodbtest.MustAdmin(t, s, server.Maintenance, `CREATE DATABASE `+name)
			files = filepath.Join(s.Files.Path(name), "ab")
			if err := os.MkdirAll(files, 0o755); err != nil {
				t.Fatal(err)
			}
			return odoodbtest.Value[uint32](t, s, server.Maintenance, `SELECT oid FROM pg_database WHERE datname = $1`, name)
		}
		gone := func(name string) {
			t.Helper()
			if slices.Contains(odoodbtest.Databases(t, s), name) || odoodbtest.Present(s.Files.Path(name)) || journal.Interrupted(s.StateDir) {
				t.Errorf("%s: database, file store or journal of %s are still there", major, name)
			}
		}
		for name, interrupt := range map[string]func(oid uint32){
			"marked": func(uint32) { odoodbtest.Interrupt(t, s, "marked") },
			"directory": func(oid uint32) {
				// A server after a crash has nothing of it in its buffers, and this one must not
				// write what it has (since 15 CREATE DATABASE copies through them).
				odoodbtest.MustAdmin(t, s, server.Maintenance, `CHECKPOINT`)
				odoodbtest.MustAdmin(t, s, server.Maintenance, `COPY (SELECT WHERE false) TO PROGRAM `+quote.Literal(`rm -r base/`+odoodbtest.Value[string](t, s, server.Maintenance, `SELECT $1::oid::text`, oid)))
			},
		} {
			oid := made(name)
			interrupt(oid)
			j := drop.Journal{Version: journal.Version, Database: name, OID: oid, Allowed: true, Lock: server.HiddenPrefix + server.Token()}
			if err := journal.Save("drop", filepath.Join(s.StateDir, journal.DropPrefix+"x.json"), j, nil); err != nil {
				t.Fatal(err)
			}
			done, err := Recover(ctx, s, nil)
			if err != nil || len(done) != 1 || !done[0].Completed || done[0].Filestore != s.Files.Path(name) {
				t.Errorf("%s: %s: %+v %v", major, name, done, err)
			}
			gone(name)

			interrupt(made(name))
			d, err := Look(ctx, s, name)
			if err != nil || d.State != Invalid {
				t.Errorf("%s: %s: %+v %v", major, name, d, err)
			}
			if _, err := s.App(ctx, name); !server.IsInvalid(err) || !strings.Contains(err.Error(), "odpm -d "+name+" --db-drop") {
				t.Errorf("%s: %s: %v", major, name, err)
			}
			if rep, err := drop.Database(ctx, s, name); err != nil || rep.Filestore != s.Files.Path(name) {
				t.Errorf("%s: %s: %+v %v", major, name, rep, err)
			}
			gone(name)
		}
	}
}

// TestSwapInterruptedInPostgreSQL: what a restore drops at its end, the replaced
// database or its own unfinished one, may be what the power was lost in.
func TestSwapInterruptedInPostgreSQL(t *testing.T) {
	for _, major := range []string{"12", "18"} {
		s, _ := odoodbtest.ServerOf(t, major)
		for _, tc := range []struct {
			name, step, fresh, old, invalid string
			stays                           string
		}{
			{"finished", "swapped", "db", "odpm_00000000000000aa_old", "odpm_00000000000000aa_old", "new"},
			{"unfinished", "loading", "odpm_00000000000000aa", "db", "odpm_00000000000000aa", "old"},
			{"undone", "reverting", "odpm_00000000000000aa", "db", "odpm_00000000000000aa", "old"},
			// Somebody else's drop of what is not open yet.
			{"dropped by somebody", "swapping", "db", "odpm_00000000000000aa_old", "db", "old"},
		} {
			t.Run(major+" "+tc.name, func(t *testing.T) {
				odoodbtest.MustAdmin(t, s, server.Maintenance, `CREATE DATABASE `+tc.fresh, `CREATE DATABASE `+tc.old)
				odoodbtest.MustAdmin(t, s, tc.fresh, `CREATE TABLE new ()`)
				odoodbtest.MustAdmin(t, s, tc.old, `CREATE TABLE old ()`)
				root := filepath.Join(s.Files.DataDir, "filestore")
				for _, name := range []string{tc.fresh, tc.old} {
					if err := os.MkdirAll(filepath.Join(root, name, map[string]string{tc.fresh: "aa", tc.old: "bb"}[name]), 0o755); err != nil {
						t.Fatal(err)
					}
				}
				oid := func(name string) uint32 {
					return odoodbtest.Value[uint32](t, s, server.Maintenance, `SELECT oid FROM pg_database WHERE datname = $1`, name)
				}
				j := swap.NewJournal(s.StateDir, swap.Journal{Target: "db", New: "odpm_00000000000000aa", NewOID: oid(tc.fresh), Old: "odpm_00000000000000aa_old",
					OldOID: oid(tc.old), OldAllowed: true, Filestore: root})
				if err := j.To(swap.Step(tc.step)); err != nil {
					t.Fatal(err)
				}
				odoodbtest.Interrupt(t, s, tc.invalid)
				done, err := Recover(ctx, s, nil)
				if err != nil || len(done) != 1 || done[0].Completed != (tc.stays == "new") || done[0].Kept != "" {
					t.Errorf("%+v %v", done, err)
				}
				if all := odoodbtest.Databases(t, s); slices.ContainsFunc(all, server.IsLeftOver) || journal.Interrupted(s.StateDir) {
					t.Errorf("left behind: %v", all)
				}
				if have := odoodbtest.Value[string](t, s, "db", `SELECT string_agg(relname, ' ') FROM pg_class WHERE relname IN ('old', 'new')`); have != tc.stays {
					t.Errorf("the database is the %s one", have)
				}
				if odoodbtest.Present(filepath.Join(root, "db", "aa")) != (tc.stays == "new") || odoodbtest.Present(filepath.Join(root, "db", "bb")) == (tc.stays == "new") {
					t.Error("its file store is the other one's")
				}
				if err := odoodbtest.DropAll(s, "db"); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// TestInvalid: nothing in an invalid database can be read. It is listed as what it
// is, everything else is refused with the command that drops it, and a restore
// replaces it.
func TestInvalid(t *testing.T) {
	s := odoodbtest.NewServer(t)
	oldDatabase(t, s)
	odoodbtest.Interrupt(t, s, "db")
	all, err := List(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(d Database) bool { return d.Name == "db" })
	if i < 0 || all[i].State != Invalid || !strings.Contains(all[i].Reason, "odpm -d db --db-drop") || all[i].Files != 1 {
		t.Errorf("%+v", all)
	}
	if names, err := Names(ctx, s); err != nil || slices.Contains(names, "db") {
		t.Errorf("names %q, %v", names, err)
	}
	_, backupErr := backup.Run(ctx, s, backup.Options{Database: "db", File: filepath.Join(t.TempDir(), "a.zip")})
	_, adminErr := adminpass.Set(ctx, s, adminpass.Password{Database: "db", Login: "admin", Password: "x"})
	_, keepErr := restore.Run(ctx, s, restore.Options{File: "testdata/o18.zip", Database: "db", OdooMajor: 18, KeepOld: true})
	_, loginErr := s.Administrator(ctx, "db")
	for what, err := range map[string]error{"create": create.Empty(ctx, s, "db", create.Options{}), "backup": backupErr, "password": adminErr, "keep": keepErr, "login": loginErr} {
		if !server.IsInvalid(err) || !strings.Contains(err.Error(), "odpm -d db --db-drop") {
			t.Errorf("%s: %v", what, err)
		}
	}
	rep, err := restore.Run(ctx, s, restore.Options{File: "testdata/o18.zip", Database: "db", OdooMajor: 18})
	if err != nil || len(rep.Warnings) < 2 || !strings.Contains(strings.Join(rep.Warnings, "\n"), "was invalid") || !odoodbtest.Present(filepath.Join(rep.KeptFilestore, "ab", "old")) {
		t.Errorf("restored: %+v %v", rep, err)
	}
	if d, err := Look(ctx, s, "db"); err != nil || d.State != Initialised {
		t.Errorf("%+v %v", d, err)
	}
	odoodbtest.NoLeftovers(t, s)
	// odpm drops none of PostgreSQL's own.
	if err := server.Invalid(server.Maintenance); !strings.Contains(err.Error(), `psql -d template1 -c 'DROP DATABASE "postgres"' -c 'CREATE DATABASE "postgres" TEMPLATE template0'`) {
		t.Error(err)
	}
}
