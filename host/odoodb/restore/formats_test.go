package restore_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/verify"
	"github.com/odpm/odpm/test/localpg"
)

// everyKind is what pg_dump has entries of its own for.
var everyKind = []string{
	`CREATE TABLE ir_attachment (id serial PRIMARY KEY, store_fname varchar)`,
	`CREATE TABLE parts (id integer, at date) PARTITION BY RANGE (at)`,
	`CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')`,
	`INSERT INTO parts SELECT n, '2026-03-01' FROM generate_series(1, 50) n`,
	`CREATE INDEX ON parts (at)`,
	`CREATE TABLE "odd ""name""" ("a b" text DEFAULT E'x\n', c integer CHECK (c > 0))`,
	`INSERT INTO "odd ""name""" VALUES (E'tab\tback\\slash\nline', 1), (repeat('long', 100000), 2), (NULL, 3)`,
	`COMMENT ON TABLE parts IS E'two\nlines'`,
	`CREATE SCHEMA other`, `CREATE TABLE other.t (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, up integer REFERENCES other.t)`,
	`INSERT INTO other.t (up) SELECT NULL FROM generate_series(1, 9)`,
	`CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM parts`, `CREATE UNIQUE INDEX ON counted (n)`,
	`CREATE VIEW seen AS SELECT * FROM other.t`,
	// A view that depends on a key is made twice, and dropped twice by --clean.
	`CREATE VIEW grouped AS SELECT id, up, count(*) AS n FROM other.t GROUP BY id`,
	`CREATE FUNCTION f(integer) RETURNS integer LANGUAGE sql AS 'SELECT $1'`,
	`CREATE FUNCTION tr() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`,
	`CREATE TRIGGER tr BEFORE UPDATE ON parts_1 FOR EACH ROW EXECUTE FUNCTION tr()`,
	`GRANT SELECT ON parts TO PUBLIC`, `REVOKE EXECUTE ON FUNCTION f(integer) FROM PUBLIC`,
	`ALTER TABLE parts_1 ENABLE ROW LEVEL SECURITY`, `CREATE POLICY p ON parts_1 USING (id > 3)`,
	`SELECT lo_from_bytea(4711, decode(repeat('00ff', 100000), 'hex')), lo_from_bytea(4712, ''), lo_from_bytea(4713, 'x')`,
	`GRANT SELECT ON LARGE OBJECT 4711 TO PUBLIC`, `GRANT SELECT ON LARGE OBJECT 4712 TO PUBLIC`, `COMMENT ON LARGE OBJECT 4713 IS 'y'`,
}

const largeObjects = `SELECT coalesce(string_agg(concat_ws(' ', oid, md5(lo_get(oid)), lomacl::text ~ '=r/', obj_description(oid, 'pg_largeobject')), E'\n' ORDER BY oid), '') FROM pg_largeobject_metadata`

// TestDumpFormats: what pg_dump of any version writes, in its custom, directory
// and tar formats and with every compression, becomes the database that it was
// made from, on a server that is older than the pg_dump.
func TestDumpFormats(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.OldOdoo(t, s, "db", "18.0.1.3", everyKind...)
	t.Cleanup(func() { _, _ = odoodbtest.DropAll(s, "db"), odoodbtest.DropAll(s, "back") })
	want := odoodbtest.RowCounts(t, s, "db") + odoodbtest.SchemaOf(t, s, "db") + odoodbtest.Value[string](t, s, "db", largeObjects)
	if !strings.Contains(want, "4711") || !strings.Contains(want, "4713") {
		t.Fatalf("the original is not what it should be:\n%s", want)
	}
	pg := odoodbtest.Shared(t)
	// Of formats and compressions that come to the same SQL, one is restored.
	restored := map[string]bool{}
	for _, tc := range []struct {
		major int
		args  string
	}{
		{15, "-Fc -Z0"}, {15, "-Fc --inserts"}, {15, "-Fd -Z3"}, {15, "-Ft"},
		{17, "-Fc -Zlz4"}, {17, "-Fd -Zzstd"}, {18, "-Fc -Zzstd:5"}, {18, "-Fd -Zlz4 -j2"}, {18, "-Ft"}, {18, "-Fc --statistics"},
		{15, "-Fc | pg_restore --single-transaction"},
		{15, "-Fc >"}, {18, "-Fc >"}, {18, "-Fc --create --clean >"},
		{15, "-Fp --clean"}, {15, "-Fp --create"}, {18, "-Fp --clean --if-exists --create"}, {18, "-Fp --clean --if-exists --column-inserts"},
	} {
		t.Run(fmt.Sprintf("%d %s", tc.major, tc.args), func(t *testing.T) {
			dump, err := localpg.Client("pg_dump", tc.major)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "dump")
			words, toStdout := strings.CutSuffix(tc.args, " >")
			words, single := strings.CutSuffix(words, " | pg_restore --single-transaction")
			args := append([]string{"-h", pg.Socket, "-p", fmt.Sprint(pg.Port), "-U", odoodbtest.Superuser, "-d", server.Conninfo("db")}, strings.Fields(words)...)
			if !toStdout {
				args = append(args, "-f", path)
			}
			f, err := os.Create(path + ".out")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			var stderr strings.Builder
			cmd := exec.Command(dump, args...)
			cmd.Stdout, cmd.Stderr = f, &stderr
			if err := cmd.Run(); err != nil {
				t.Fatalf("pg_dump: %v\n%s", err, stderr.String())
			}
			if toStdout {
				path += ".out"
			}
			if single {
				program, err := localpg.Client("pg_restore", tc.major)
				if err != nil {
					t.Fatal(err)
				}
				if out, err := exec.Command(program, "--single-transaction", "-f", path+".sql", path).CombinedOutput(); err != nil {
					t.Fatalf("pg_restore: %v\n%s", err, out)
				}
				path += ".sql"
			}
			if _, err := verify.File(ctx, path, verify.Options{}); err != nil {
				t.Errorf("verify: %v", err)
			}
			sql := sqlOf(t, path)
			if restored[sql] {
				return
			}
			restored[sql] = true
			rep, err := restore.Run(ctx, s, restore.Options{File: path, Database: "back"})
			if err != nil {
				t.Fatal(err)
			}
			if len(rep.LeftOut) > 0 {
				t.Errorf("left out: %v", rep.LeftOut)
			}
			if got := odoodbtest.RowCounts(t, s, "back") + odoodbtest.SchemaOf(t, s, "back") + odoodbtest.Value[string](t, s, "back", largeObjects); got != want {
				t.Errorf("restored:\n%s\nand not:\n%s", got, want)
			}
		})
	}
}

// sqlOf is a hash of what a restore of the dump reads.
func sqlOf(t *testing.T, path string) string {
	t.Helper()
	a, err := archive.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	r, err := a.SQL()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		t.Fatal(err)
	}
	return string(h.Sum(nil))
}

// TestDumpFolder: a part of it, one that lacks a part, and a file store beside it.
func TestDumpFolder(t *testing.T) {
	s := odoodbtest.NewServer(t)
	odoodbtest.OldOdoo(t, s, "db", "18.0.1.3", `CREATE TABLE ir_attachment (id serial PRIMARY KEY, store_fname varchar)`,
		`INSERT INTO ir_attachment (store_fname) VALUES ('aa/aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d')`)
	t.Cleanup(func() { _, _ = odoodbtest.DropAll(s, "db"), odoodbtest.DropAll(s, "back") })
	pg := odoodbtest.Shared(t)
	dump, err := localpg.Client("pg_dump", 15)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if out, err := exec.Command(dump, "-h", pg.Socket, "-p", fmt.Sprint(pg.Port), "-U", odoodbtest.Superuser, "-Fd", "-f", filepath.Join(dir, "dump"), "-d", server.Conninfo("db")).CombinedOutput(); err != nil {
		t.Fatalf("pg_dump: %v\n%s", err, out)
	}
	stored := filepath.Join(dir, "filestore", "aa", "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d")
	if err := os.MkdirAll(filepath.Dir(stored), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(stored, []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	rep, err := restore.Run(ctx, s, restore.Options{File: dir, Database: "back"})
	if err != nil || rep.Files != 1 || rep.Missing != 0 || len(rep.Warnings) > 0 {
		t.Errorf("with a file store: %+v %v", rep, err)
	}
	if _, err := verify.File(ctx, filepath.Join(dir, "dump", "toc.dat"), verify.Options{}); !archive.IsRefused(err) || !strings.Contains(err.Error(), "name the folder") {
		t.Errorf("toc.dat alone: %v", err)
	}
	parts, err := filepath.Glob(filepath.Join(dir, "dump", "*.dat.gz"))
	if err != nil || len(parts) == 0 {
		t.Fatalf("%v %v", parts, err)
	}
	if err := os.Remove(parts[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := verify.File(ctx, dir, verify.Options{}); !archive.IsRefused(err) || !strings.Contains(err.Error(), "is missing") {
		t.Errorf("without a part: %v", err)
	}
}
