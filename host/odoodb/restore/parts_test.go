package restore_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/quote"
)

// TestForcedRowSecurity: policies that hold for the owner as well hide no row from the
// role that loads and proves a dump, and hold afterwards.
func TestForcedRowSecurity(t *testing.T) {
	s := odoodbtest.NewServer(t)
	app := quote.Ident(s.AppRole)
	odoodbtest.OldOdoo(t, s, "db", "18.0.1.3",
		`CREATE POLICY mine ON ir_module_module TO `+app+` USING (true)`, `ALTER TABLE ir_module_module ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`)
	t.Cleanup(func() { _, _ = odoodbtest.DropAll(s, "db"), odoodbtest.DropAll(s, "back") })
	for _, format := range []archive.Format{archive.Zip, archive.Dump} {
		file := filepath.Join(t.TempDir(), "a")
		if _, err := backup.Run(ctx, s, backup.Options{Database: "db", File: file, Format: format}); err != nil {
			t.Fatal(err)
		}
		rep, err := restore.Run(ctx, s, restore.Options{File: file, Database: "back"})
		if err != nil || rep.Modules != 1 || len(rep.LeftOut) > 0 {
			t.Fatalf("%s: %+v, %v", format, rep, err)
		}
		if got := odoodbtest.Value[string](t, s, "back", `SELECT concat_ws(' ', relrowsecurity, relforcerowsecurity) FROM pg_class WHERE relname = 'ir_module_module'`); got != "t t" {
			t.Errorf("%s: restored: %s", format, got)
		}
	}
}

// TestLaterOfNewer: what a newer server's dump says about the owner's objects to come is
// said without what this one does not know.
func TestLaterOfNewer(t *testing.T) {
	s := odoodbtest.NewServer(t)
	t.Cleanup(func() { _ = odoodbtest.DropAll(s, "db") })
	rep, err := restore.Run(ctx, s, restore.Options{File: odoodbtest.TinyDump(t, `ALTER DEFAULT PRIVILEGES FOR ROLE `+quote.Ident(s.AppRole)+` IN SCHEMA public GRANT SELECT,MAINTAIN ON TABLES TO PUBLIC;
`), Database: "db"})
	if err != nil || len(rep.LeftOut) > 0 {
		t.Fatalf("%v, %v", rep.LeftOut, err)
	}
	if got := odoodbtest.Value[string](t, s, "db", `SELECT defaclacl::text FROM pg_default_acl`); !strings.Contains(got, "=r/") {
		t.Errorf("restored: %s", got)
	}
}

// TestOtherCollations: a collation that this server cannot make is left out, as far as
// no column has it; ways to store rows that it does not know are left out as well.
func TestOtherCollations(t *testing.T) {
	s := odoodbtest.NewServer(t)
	t.Cleanup(func() { _ = odoodbtest.DropAll(s, "db") })
	const collation = `CREATE COLLATION public.nowhere (provider = libc, locale = 'xx_XX.utf8');
CREATE COLLATION public.future (provider = builtin2, locale = 'x');
`
	rep, err := restore.Run(ctx, s, restore.Options{File: odoodbtest.TinyDump(t, collation+`SET default_table_access_method = columnar;
CREATE TABLE public.notes (note text);
COPY public.notes (note) FROM stdin;
x
\.
`), Database: "db"})
	var left []string
	for _, o := range rep.LeftOut {
		left = append(left, o.Kind+" "+o.Name)
	}
	if got := strings.Join(left, ", "); err != nil || got != "collation public.nowhere, collation public.future, setting SET default_table_access_method = columnar" {
		t.Fatalf("left out: %s; %v", got, err)
	}
	if n := odoodbtest.Value[int64](t, s, "db", `SELECT count(*) FROM notes`); n != 1 {
		t.Errorf("%d rows", n)
	}
	_, err = restore.Run(ctx, s, restore.Options{File: odoodbtest.TinyDump(t, collation+"CREATE TABLE public.notes (note text COLLATE public.nowhere);\n"), Database: "db"})
	if !archive.IsRefused(err) || !strings.Contains(err.Error(), "it needs what was left out: collation public.nowhere") {
		t.Errorf("a column with it: %v", err)
	}
}
