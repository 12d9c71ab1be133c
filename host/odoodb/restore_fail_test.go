package odoodb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/create"
	"github.com/odpm/odpm/host/odoodb/fault"
	"github.com/odpm/odpm/host/odoodb/journal"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/sqldump"
	"github.com/odpm/odpm/host/odoodb/verify"
	"github.com/odpm/odpm/host/quote"
)

// smallArchive is a zip of a database that restores in a moment and still has
// rows, indexes, keys and files. It gives what the restored database must be.
func smallArchive(t *testing.T, s *server.Server) (file, want string) {
	t.Helper()
	sql := []string{`CREATE TABLE ir_attachment (id serial, store_fname varchar)`}
	for i := range 12 {
		sql = append(sql, fmt.Sprintf(`CREATE TABLE small_%d (id serial PRIMARY KEY, up int REFERENCES small_%d, v text)`, i, max(i-1, 0)),
			fmt.Sprintf(`CREATE INDEX ON small_%d (v)`, i), fmt.Sprintf(`INSERT INTO small_%d (v) SELECT md5(n::text) FROM generate_series(1, 300) n`, i))
	}
	dir := s.Files.Path("small")
	for i := range 20 {
		name := fmt.Sprintf("%02x/file%d", i, i)
		sql = append(sql, `INSERT INTO ir_attachment (store_fname) VALUES ('`+name+`')`)
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat(name, 1000)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	odoodbtest.OldOdoo(t, s, "small", "18.0.1.3", sql...)
	odoodbtest.MustAdmin(t, s, server.Maintenance, `ALTER DATABASE small SET work_mem TO '7MB'`)
	file = filepath.Join(t.TempDir(), "small.zip")
	if _, err := backup.Run(ctx, s, backup.Options{Database: "small", File: file}); err != nil {
		t.Fatal(err)
	}
	want = whole(t, s, "small")
	if err := odoodbtest.DropAll(s, "small"); err != nil {
		t.Fatal(err)
	}
	return file, want
}

// untouched runs a restore that must fail and proves that the database it
// would have replaced, its file store and Odoo are as they were.
type untouched struct {
	s    *server.Server
	odoo odooFile
	old  string
}

func newUntouched(t *testing.T) *untouched {
	t.Helper()
	u := &untouched{s: odoodbtest.NewServer(t)}
	u.odoo = odooFile(filepath.Dir(u.s.StateDir) + "/odoo-runs")
	if err := u.odoo.Start(ctx); err != nil {
		t.Fatal(err)
	}
	oldDatabase(t, u.s)
	u.old = whole(t, u.s, "db")
	return u
}

func (u *untouched) check(t *testing.T) {
	t.Helper()
	if got := whole(t, u.s, "db"); got != u.old {
		t.Errorf("the old database is not what it was:\n%.2000s", got)
	}
	odoodbtest.NoLeftovers(t, u.s)
	if running, _ := u.odoo.Running(ctx); !running {
		t.Error("Odoo does not run any more")
	}
	if dbs := odoodbtest.Databases(t, u.s); len(dbs) != 1 {
		t.Errorf("databases: %q", dbs)
	}
}

func after(mark, text string) func(string, []byte) []byte {
	return odoodbtest.ReplaceIn("dump.sql", mark, mark+text)
}

func fixtureStart(n int) []byte {
	b, err := os.ReadFile("testdata/o18.zip")
	if err != nil {
		panic(err)
	}
	return b[:n]
}

// fixtureDump is the first n bytes of the other format, or all but the last n.
func fixtureDump(n int) []byte {
	b, err := os.ReadFile("testdata/o18.dump")
	if err != nil {
		panic(err)
	}
	if n < 0 {
		n += len(b)
	}
	return b[:n]
}

func fileOf(t *testing.T, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRestoreRefuses has every archive that must not replace anything.
func TestRestoreRefuses(t *testing.T) {
	u := newUntouched(t)
	const tables = "\nSET default_tablespace = '';\n" // before the first table
	pwned := filepath.Join(t.TempDir(), "pwned")
	foreign := filepath.Join(t.TempDir(), "foreign.dump")
	if err := create.Empty(ctx, u.s, "foreign", create.Options{}); err != nil {
		t.Fatal(err)
	}
	odoodbtest.MustApp(t, u.s, "foreign", `CREATE TABLE x (y int)`)
	if _, err := backup.Run(ctx, u.s, backup.Options{Database: "foreign", File: foreign, Format: archive.Dump}); err != nil {
		t.Fatal(err)
	}
	if err := odoodbtest.DropAll(u.s, "foreign"); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		file string
		o    restore.Options
		want string
		is   func(error) bool
	}{
		// What the archive is.
		"not an archive":        {file: fileOf(t, []byte("hello, world")), want: "is not an Odoo zip", is: archive.IsRefused},
		"empty":                 {file: fileOf(t, nil), want: "is empty", is: archive.IsRefused},
		"truncated":             {file: fileOf(t, fixtureStart(300_000)), want: "truncated", is: archive.IsRefused},
		"cut dump":              {file: fileOf(t, fixtureDump(500_000)), want: "damaged or truncated", is: archive.IsRefused},
		"cut dump's end":        {file: fileOf(t, fixtureDump(-100)), want: "damaged or truncated", is: archive.IsRefused},
		"missing":               {file: "/nonexistent/x.zip", want: "no such file"},
		"extension":             {file: odoodbtest.Rebuild(t, after(tables, "CREATE EXTENSION IF NOT EXISTS vectorx WITH SCHEMA public;\nCREATE TABLE public.v (v public.vectorx);\n")), want: `extension "vectorx"`, is: archive.IsRefused},
		"bad extension":         {file: odoodbtest.Rebuild(t, after(tables, "CREATE EXTENSION dblink;\nCREATE VIEW public.v AS SELECT public.dblink('x', 'SELECT 1');\n")), want: "only a superuser may create", is: archive.IsRefused},
		"version":               {file: "testdata/o18.zip", o: restore.Options{OdooMajor: 17}, want: "Odoo does not migrate", is: verify.IsUnproven},
		"version inside a dump": {file: "testdata/o18.dump", o: restore.Options{OdooMajor: 17}, want: "Odoo does not migrate", is: verify.IsUnproven},

		// What is in the dump.
		"shell":            {file: odoodbtest.Rebuild(t, after(tables, `\! touch `+pwned+"\n")), want: "psql command", is: sqldump.IsRefused},
		"shell after data": {file: odoodbtest.Rebuild(t, odoodbtest.ReplaceIn("dump.sql", "\n\\.\n", "\n\\.\n\\! touch "+pwned+"\n")), want: "psql command", is: sqldump.IsRefused},
		"program":          {file: odoodbtest.Rebuild(t, after(tables, "COPY pg_class TO PROGRAM 'touch "+pwned+"';\n")), want: "COPY", is: sqldump.IsRefused},
		"program hidden":   {file: odoodbtest.Rebuild(t, after(tables, "CREATE FUNCTION public.f() RETURNS void LANGUAGE plpgsql AS $x$ BEGIN EXECUTE 'COPY (SELECT 1) TO PROGRAM ''touch "+pwned+"'''; END $x$;\nSELECT public.f();\n")), want: "must be superuser"},
		"C function":       {file: odoodbtest.Rebuild(t, after(tables, "CREATE FUNCTION public.f() RETURNS int LANGUAGE c AS 'libc.so.6', 'system';\nSELECT public.f();\n")), want: "permission denied for language c", is: archive.IsRefused},
		"drop another one": {file: odoodbtest.Rebuild(t, odoodbtest.ReplaceIn("dump.sql", sqldump.Trailer, "DROP DATABASE db;\n"+sqldump.Trailer)), want: "affects more than the database", is: sqldump.IsRefused},
		// One statement to a reader that takes the quotes differently, three to the server.
		"string carried on": {file: odoodbtest.Rebuild(t, after(tables, "SELECT E'a'\n'\\' '; ALTER DATABASE db CONNECTION LIMIT 3; --';\n")), want: "multiple commands"},
		"other strings":     {file: odoodbtest.Rebuild(t, after(tables, "SET standard_conforming_strings = off;\nSELECT '\\' '; ALTER DATABASE db CONNECTION LIMIT 3; --';\n")), want: "multiple commands"},
		"role's password":   {file: odoodbtest.Rebuild(t, after(tables, "ALTER ROLE "+quote.Ident(u.s.AppRole)+" PASSWORD 'x';\n")), want: "affects more than the database", is: sqldump.IsRefused},
		"other database":    {file: odoodbtest.Rebuild(t, after(tables, `\connect db`+"\nDROP TABLE only_in_the_old_one;\n")), want: "psql command", is: sqldump.IsRefused},
		"error":             {file: odoodbtest.Rebuild(t, after(tables, "SELECT 1/0;\n")), want: "division by zero"},
		"bad row":           {file: odoodbtest.Rebuild(t, odoodbtest.ReplaceIn("dump.sql", "COPY public.res_country (id", "COPY public.res_country (id, nix")), want: "nix"},
		"bad index":         {file: odoodbtest.Rebuild(t, odoodbtest.ReplaceIn("dump.sql", "CREATE INDEX ir_attachment", "CREATE INDEX ON public.nix (x);\nCREATE INDEX ir_attachment")), want: "public.nix"},
		"foreign key":       {file: odoodbtest.Rebuild(t, odoodbtest.ReplaceIn("dump.sql", "FOREIGN KEY (create_uid) REFERENCES public.res_users(id)", "FOREIGN KEY (create_uid) REFERENCES public.res_lang(code)")), want: "cannot be implemented"},
		"no trailer":        {file: odoodbtest.Rebuild(t, odoodbtest.ReplaceIn("dump.sql", sqldump.Trailer, "--")), want: "cut off", is: verify.IsUnproven},
		"cut in rows":       {file: odoodbtest.Rebuild(t, odoodbtest.CutAt("COPY public.res_partner ")), want: "cut off"},

		// What does not fit together.
		"modules":    {file: odoodbtest.Rebuild(t, odoodbtest.ReplaceIn("manifest.json", `"web": "18.0.1.0"`, `"web": "18.0.9.9"`)), want: "differ from those in the manifest", is: verify.IsUnproven},
		"files":      {file: odoodbtest.Rebuild(t, odoodbtest.Without("filestore/1c/")), want: "1 of the attachments' 9 files", is: verify.IsUnproven},
		"not Odoo's": {file: foreign, want: "not a backup of an Odoo database", is: verify.IsUnproven},

		// What was asked for.
		"neutralize":         {file: "testdata/o18.zip", o: restore.Options{Neutralize: true}, want: "no Odoo to run it"},
		"neutralize fails":   {file: "testdata/o18.zip", o: restore.Options{Neutralize: true, NeutralizeWithOdoo: func(context.Context, string, []string) error { return errors.New("no module x") }}, want: "no module x"},
		"long name":          {file: "testdata/o18.zip", o: restore.Options{Database: strings.Repeat("x", 64)}, want: "63 bytes"},
		"kept name too long": {file: "testdata/o18.zip", o: restore.Options{Database: strings.Repeat("x", 60), KeepOld: true}, want: "--keep-old"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.o.File = tc.file
			if tc.o.Database == "" {
				tc.o.Database = "db"
			}
			tc.o.Odoo = u.odoo
			_, err := restore.Run(ctx, u.s, tc.o)
			if err == nil || !strings.Contains(err.Error(), tc.want) || tc.is != nil && !tc.is(err) {
				t.Errorf("got %v", err)
			}
			u.check(t)
			if odoodbtest.Present(pwned) {
				t.Fatal("the archive ran a program")
			}
		})
	}
}

// stations are the places where a restore can be stopped.
var stations = []string{"journal", "created", "filled", "proven", "odoo stopped", "shut", "renamed", "files half", "files moved", "opened"}

// afterRenames are those of them from which the restore is a matter of moments.
var afterRenames = []string{"renamed", "files half", "files moved", "opened"}

// TestRestoreInterrupted has things go wrong from outside at every station.
func TestRestoreInterrupted(t *testing.T) {
	u := newUntouched(t)
	small, _ := smallArchive(t, u.s)
	defer func() { fault.At = func(string) {} }()
	for _, at := range stations {
		t.Run("cancelled at "+at, func(t *testing.T) {
			work, cancel := context.WithCancel(ctx)
			defer cancel()
			fault.At = func(now string) {
				if now == at {
					cancel()
				}
			}
			_, err := restore.Run(work, u.s, restore.Options{File: small, Database: "db", Odoo: u.odoo, KeepOld: true})
			if slices.Contains(afterRenames, at) {
				// The renames have happened: the rest is a matter of moments.
				if err != nil {
					t.Errorf("after the swap: %v", err)
				}
				u.undo(t)
				return
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			u.check(t)
		})
		t.Run("sessions ended at "+at, func(t *testing.T) {
			fault.At = func(now string) {
				if now == at {
					odoodbtest.MustAdmin(t, u.s, server.Maintenance, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'odpm' AND pid <> pg_backend_pid()`)
				}
			}
			_, err := restore.Run(ctx, u.s, restore.Options{File: small, Database: "db", Odoo: u.odoo, KeepOld: true})
			fault.At = func(string) {}
			// After the renames what is left is done on another connection, and
			// before them everything is undone on one.
			if slices.Contains(afterRenames, at) != (err == nil) || err != nil && strings.Contains(err.Error(), "failed as well") {
				t.Errorf("with a dead connection: %v", err)
			}
			if journal.Interrupted(u.s.StateDir) {
				t.Error("it was left to the next run")
			}
			if _, err := Recover(ctx, u.s, u.odoo); err != nil {
				t.Fatal(err)
			}
			if odoodbtest.Value[int](t, u.s, "db", `SELECT count(*)::int FROM pg_tables WHERE tablename = 'only_in_the_old_one'`) == 0 {
				u.undo(t)
				return
			}
			u.check(t)
		})
	}
	fault.At = func(string) {}
	odoo := &odoodbtest.OdooStub{Runs: true, Failing: "stop"}
	if _, err := restore.Run(ctx, u.s, restore.Options{File: small, Database: "db", Odoo: odoo}); err == nil || !strings.Contains(err.Error(), "stop fails") {
		t.Errorf("Odoo cannot be stopped: %v", err)
	}
	u.check(t)
}

// TestRestoreSparesANewcomer: the name may be another database's by the time
// of the swap.
func TestRestoreSparesANewcomer(t *testing.T) {
	u := newUntouched(t)
	small, _ := smallArchive(t, u.s)
	defer func() { fault.At = func(string) {} }()
	fault.At = func(at string) {
		if at == "proven" {
			if err := odoodbtest.DropAll(u.s, "db"); err != nil {
				t.Error(err)
			}
			oldDatabase(t, u.s)
		}
	}
	if _, err := restore.Run(ctx, u.s, restore.Options{File: small, Database: "db", Odoo: u.odoo}); err == nil || !strings.Contains(err.Error(), "replaced by another one during the restore") {
		t.Errorf("got %v", err)
	}
	u.check(t)
}

// undo follows a completed restore with KeepOld: the kept database is the old
// one, whole, and gets its name back by hand.
func (u *untouched) undo(t *testing.T) {
	t.Helper()
	kept := odoodbtest.Value[string](t, u.s, server.Maintenance, `SELECT datname::text FROM pg_database WHERE datname LIKE 'db\_old\_%' AND pg_get_userbyid(datdba) = $1`, u.s.AppRole)
	if n := odoodbtest.Value[int](t, u.s, "db", `SELECT count(*)::int FROM small_11`); n != 300 {
		t.Errorf("the restored database has %d rows", n)
	}
	if err := odoodbtest.DropAll(u.s, "db"); err != nil {
		t.Fatal(err)
	}
	odoodbtest.MustAdmin(t, u.s, server.Maintenance, `ALTER DATABASE `+quote.Ident(kept)+` RENAME TO db`, `ALTER DATABASE db ALLOW_CONNECTIONS true`)
	if err := os.Rename(u.s.Files.Path(kept), u.s.Files.Path("db")); err != nil {
		t.Fatal(err)
	}
	u.check(t)
}

// TestRestoreHeld: what stands against the swap is named before anything happens.
func TestRestoreHeld(t *testing.T) {
	u := newUntouched(t)
	c, err := u.s.App(ctx, "db")
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{`BEGIN`, `INSERT INTO only_in_the_old_one VALUES (7)`, `PREPARE TRANSACTION 'somebody''s'`} {
		if _, err := c.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	engine.Close(c)
	_, err = restore.Run(ctx, u.s, restore.Options{File: "testdata/o18.zip", Database: "db", Odoo: u.odoo})
	if held := server.Holders(err); len(held) != 1 || !strings.Contains(held[0], "ROLLBACK PREPARED 'somebody''s'") {
		t.Errorf("got %v", err)
	}
	u.check(t)
	odoodbtest.MustAdmin(t, u.s, "db", `ROLLBACK PREPARED 'somebody''s'`)
}

// TestRestoreDropsLater: the server goes away while the replaced database is
// dropped, after the swap, as it does on a full disk. It is the next run's then, and
// does not stay for good; while the server still refuses, every run says so.
func TestRestoreDropsLater(t *testing.T) {
	u := newUntouched(t)
	defer func() { fault.At = func(string) {} }()
	gone := func() {
		odoodbtest.MustAdmin(t, u.s, server.Maintenance, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'odpm' AND pid <> pg_backend_pid()`)
	}
	swapped := false
	fault.At = func(now string) {
		if swapped = swapped || now == "swapped"; swapped && now == "dropping" {
			gone()
		}
	}
	rep, err := restore.Run(ctx, u.s, restore.Options{File: "testdata/o18.zip", Database: "db", Odoo: u.odoo})
	if err != nil || rep.Kept == "" || !strings.Contains(strings.Join(rep.Warnings, "\n"), "the next run of odpm tries again") {
		t.Errorf("%v, kept %q, warnings %q", err, rep.Kept, rep.Warnings)
	}
	done, err := Recover(ctx, u.s, u.odoo)
	if err != nil || len(done) != 1 || !done[0].Completed || !strings.Contains(done[0].Kept, "the next run of odpm tries again") {
		t.Errorf("while it is still refused: %+v %v", done, err)
	}
	fault.At = func(string) {}
	done, err = Recover(ctx, u.s, u.odoo)
	if err != nil || len(done) != 1 || !done[0].Completed || done[0].Kept != "" {
		t.Errorf("%+v %v", done, err)
	}
	odoodbtest.NoLeftovers(t, u.s)
	if dbs := odoodbtest.Databases(t, u.s); len(dbs) != 1 {
		t.Errorf("databases: %q", dbs)
	}
	if done, err := Recover(ctx, u.s, u.odoo); err != nil || len(done) != 0 {
		t.Errorf("once more: %+v %v", done, err)
	}
}

// TestRestoreNeedsSpace: a PostgreSQL whose disk is full goes down, and every
// other database with it.
func TestRestoreNeedsSpace(t *testing.T) {
	u := newUntouched(t)
	full := *u.s
	full.PostgresDataDir = "/proc" // a file system without a free byte
	for _, file := range []string{"testdata/o18.zip", "testdata/o18.dump"} {
		if _, err := restore.Run(ctx, &full, restore.Options{File: file, Database: "db", Odoo: u.odoo}); err == nil || !strings.Contains(err.Error(), " 0.0 MiB are free") {
			t.Errorf("got %v", err)
		}
	}
	u.check(t)
}

// TestRestoreNeedsTheRole: an archive never runs as somebody else.
func TestRestoreNeedsTheRole(t *testing.T) {
	s := odoodbtest.NewServer(t)
	other := *s
	other.AppRole = "nobody " + server.Token()
	if _, err := restore.Run(ctx, &other, restore.Options{File: "testdata/o18.zip", Database: "db"}); err == nil || !strings.Contains(err.Error(), "ensure-role") {
		t.Errorf("got %v", err)
	}
	other.AppRole = odoodbtest.Superuser
	if _, err := restore.Run(ctx, &other, restore.Options{File: "testdata/o18.zip", Database: "db super"}); err != nil {
		t.Error(err)
	}
	if err := odoodbtest.DropAll(s, "db super"); err != nil {
		t.Fatal(err)
	}
}
