package restore_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/odoodb"
	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/sqldump"
	"github.com/odpm/odpm/host/odoodb/verify"
	"github.com/odpm/odpm/host/quote"
)

// TestHostileDefinition: verify reads the definitions of pg_dump's custom format
// as a restore does, which runs them.
func TestHostileDefinition(t *testing.T) {
	whole, err := os.ReadFile("../testdata/o18.dump")
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(whole, []byte("CREATE TABLE public."))
	if i < 0 {
		t.Fatal("the fixture has no table")
	}
	const evil = "DROP DATABASE prod;--"
	copy(whole[i:], evil)
	path := filepath.Join(t.TempDir(), "evil.dump")
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	_, verr := verify.File(ctx, path, verify.Options{})
	s := odoodbtest.NewServer(t)
	_, rerr := restore.Run(ctx, s, restore.Options{File: path, Database: "db", OdooMajor: 18})
	for who, err := range map[string]error{"verify": verr, "restore": rerr} {
		if !sqldump.IsRefused(err) || !strings.Contains(err.Error(), "affects more than the database") {
			t.Errorf("%s: %v", who, err)
		}
	}
}

// TestOperatorInArchive: an archive brings an operator that fits what odpm asks
// of its catalogs better than PostgreSQL's own, and that makes Odoo's role a
// superuser as soon as a superuser uses it.
func TestOperatorInArchive(t *testing.T) {
	s := odoodbtest.NewServer(t)
	var evil strings.Builder
	for i, types := range [][2]string{{"oid", "regnamespace"}, {"name", "text"}, {"oid", "oid"}, {"name", "name"}, {"varchar", "text"}, {"text", "text"}} {
		fmt.Fprintf(&evil, `CREATE FUNCTION public.oeq%d(pg_catalog.%[2]s, pg_catalog.%[3]s) RETURNS bool LANGUAGE plpgsql AS $f$ BEGIN
IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) current_user) THEN EXECUTE %[4]s; END IF;
RETURN $1::pg_catalog.text OPERATOR(pg_catalog.=) $2::pg_catalog.text; END $f$;
CREATE OPERATOR public.= (LEFTARG = pg_catalog.%[2]s, RIGHTARG = pg_catalog.%[3]s, FUNCTION = public.oeq%[1]d);
`, i, types[0], types[1], quote.Literal(`ALTER ROLE `+quote.Ident(s.AppRole)+` SUPERUSER`))
	}
	if _, err := restore.Run(ctx, s, restore.Options{File: odoodbtest.TinyDump(t, evil.String()), Database: "db"}); err != nil {
		t.Fatal(err)
	}
	if n := odoodbtest.Value[int64](t, s, "db", `SELECT pg_catalog.count(*) FROM pg_catalog.pg_operator WHERE oprname OPERATOR(pg_catalog.=) '='::pg_catalog.name AND oprnamespace OPERATOR(pg_catalog.=) 'public'::pg_catalog.regnamespace::pg_catalog.oid`); n != 6 {
		t.Fatalf("%d operators came with the archive; this test tests nothing", n)
	}
	// Odoo's role looks into what is its own, a superuser into all the others.
	for _, owner := range []string{quote.Ident(odoodbtest.Superuser), quote.Ident(s.AppRole)} {
		odoodbtest.MustAdmin(t, s, server.Maintenance, `ALTER DATABASE db OWNER TO `+owner)
		if list, err := odoodb.List(ctx, s); err != nil || !strings.Contains(fmt.Sprint(list), "18.0") {
			t.Errorf("%v, %v", list, err)
		}
	}
	if _, err := backup.Run(ctx, s, backup.Options{Database: "db", File: filepath.Join(t.TempDir(), "db.zip")}); err != nil {
		t.Error(err)
	}
	if _, err := drop.Database(ctx, s, "db"); err != nil {
		t.Error(err)
	}
	if odoodbtest.Value[bool](t, s, server.Maintenance, `SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname::pg_catalog.text OPERATOR(pg_catalog.=) $1::pg_catalog.text`, s.AppRole) {
		t.Error("Odoo's role is a superuser now")
	}
}
