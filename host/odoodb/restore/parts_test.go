package restore_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/verify"
	"github.com/odpm/odpm/host/quote"
	"github.com/odpm/odpm/test/localpg"
)

// TestWithoutRows: the tables of an Odoo database are no backup of it, and it is not
// called a database of something else.
func TestWithoutRows(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.OldOdoo(t, s, "db", "18.0.1.3")
	t.Cleanup(func() { _, _ = odoodbtest.DropAll(s, "db"), odoodbtest.DropAll(s, "back") })
	pg := odoodbtest.Shared(t)
	for major, option := range map[int]string{15: "--schema-only", 18: "--no-data"} {
		dump, err := localpg.Client("pg_dump", major)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "backup.sql")
		if out, err := exec.Command(dump, "-h", pg.Socket, "-p", fmt.Sprint(pg.Port), "-U", odoodbtest.Superuser, option, "-f", path, "-d", server.Conninfo("db")).CombinedOutput(); err != nil {
			t.Fatalf("pg_dump: %v\n%s", err, out)
		}
		_, verr := verify.File(ctx, path, verify.Options{})
		_, rerr := restore.Run(ctx, s, restore.Options{File: path, Database: "back"})
		for who, err := range map[string]error{"verify": verr, "restore": rerr} {
			if !verify.IsUnproven(err) || !strings.Contains(err.Error(), "its table of modules is empty, as in what pg_dump writes with --schema-only") {
				t.Errorf("%s: %s: %v", option, who, err)
			}
		}
	}
}

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

// TestAggregates: what an aggregate is made of may be left out, or be another function from
// PostgreSQL 14 on.
func TestAggregates(t *testing.T) {
	s := odoodbtest.NewServer(t)
	t.Cleanup(func() { _ = odoodbtest.DropAll(s, "db") })
	const aggregate = `CREATE AGGREGATE public.accum(anyelement) (SFUNC = array_append, STYPE = anyarray, INITCOND = '{}');
`
	rep, err := restore.Run(ctx, s, restore.Options{File: odoodbtest.TinyDump(t, aggregate+"COMMENT ON AGGREGATE public.accum(anyelement) IS 'x';\n"), Database: "db"})
	if err != nil || len(rep.LeftOut) != 2 || rep.LeftOut[0].Kind != "aggregate" || rep.LeftOut[0].Name != "public.accum" {
		t.Fatalf("%v, left out: %v", err, rep.LeftOut)
	}
	_, err = restore.Run(ctx, s, restore.Options{File: odoodbtest.TinyDump(t, aggregate+"CREATE VIEW public.v AS SELECT public.accum(name) FROM public.ir_module_module;\n"), Database: "db"})
	if !archive.IsRefused(err) || !strings.Contains(err.Error(), "it depends on what was left out: aggregate public.accum") {
		t.Errorf("a view of it: %v", err)
	}
}

// TestSorting: a database that somebody has made with a locale of his own is replaced by
// one that sorts as Odoo's do, which is said.
func TestSorting(t *testing.T) {
	s := odoodbtest.NewServer(t)
	t.Cleanup(func() { _ = odoodbtest.DropAll(s, "db") })
	for _, tc := range []struct{ locale, want string }{
		{`LC_COLLATE 'de_DE.utf8' LC_CTYPE 'de_DE.utf8'`, `rules of "de_DE.utf8", and the restored one sorts it by those of "C"`},
		{`LOCALE_PROVIDER icu ICU_LOCALE 'sv'`, `rules of "sv", and the restored one sorts it by those of "C"`},
		{`LC_COLLATE 'C'`, ``},
	} {
		odoodbtest.MustAdmin(t, s, server.Maintenance, `CREATE DATABASE db OWNER `+quote.Ident(s.AppRole)+` TEMPLATE template0 `+tc.locale)
		rep, err := restore.Run(ctx, s, restore.Options{File: odoodbtest.TinyDump(t, ""), Database: "db"})
		if err != nil {
			t.Fatal(err)
		}
		if said := strings.Join(rep.Warnings, "\n"); strings.Contains(said, "sorted text") != (tc.want != "") || !strings.Contains(said, tc.want) {
			t.Errorf("%s: said %s", tc.locale, said)
		}
		_ = odoodbtest.DropAll(s, "db")
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
	if !archive.IsRefused(err) || !strings.Contains(err.Error(), "it depends on what was left out: collation public.nowhere") {
		t.Errorf("a column with it: %v", err)
	}
}
