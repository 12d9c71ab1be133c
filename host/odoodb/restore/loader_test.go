package restore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/quote"
)

// dumpWith is the fixture with more in its dump.
func dumpWith(t *testing.T, more string) string {
	t.Helper()
	const end = "--\n-- PostgreSQL database dump complete"
	return odoodbtest.Rebuild(t, func(name string, content []byte) []byte {
		if name != "dump.sql" {
			return content
		}
		return []byte(strings.Replace(string(content), end, more+"\n\n"+end, 1))
	})
}

// TestArchiveReachesNothingElse: what an archive's functions do, they do as a
// role that owns the new database alone, in what odpm sets off as well.
func TestArchiveReachesNothingElse(t *testing.T) {
	s := odoodbtest.NewServer(t)
	for _, db := range []string{"prod", "db"} {
		odoodbtest.OldOdoo(t, s, db, "18.0.1.3")
	}
	function := func(body string) string {
		return "CREATE FUNCTION public.evil() RETURNS trigger LANGUAGE plpgsql AS $x$ BEGIN " + body + " RETURN NEW; END $x$;\n"
	}
	call := "CREATE TABLE public.victim (a int);\nCREATE TRIGGER t BEFORE INSERT ON public.victim FOR EACH ROW EXECUTE FUNCTION public.evil();\nINSERT INTO public.victim VALUES (1);\n"
	trigger := "CREATE TRIGGER t BEFORE UPDATE ON public.ir_config_parameter FOR EACH ROW EXECUTE FUNCTION public.evil();\n"
	for name, tc := range map[string]struct{ dump, want string }{
		"rename":            {function(`EXECUTE 'ALTER DATABASE prod RENAME TO gone';`) + call, "must be owner of database"},
		"the one replaced":  {function(`EXECUTE 'ALTER DATABASE db RENAME TO gone';`) + call, "must be owner of database"},
		"by odpm's changes": {function(`EXECUTE 'ALTER DATABASE prod RENAME TO gone';`) + trigger, "must be owner of database"},
		"become":            {function(`EXECUTE `+quote.Literal(`SET SESSION AUTHORIZATION `+quote.Ident(s.AppRole))+`;`) + call, "permission denied"},
		"become by SET":     {function(`EXECUTE `+quote.Literal(`SET ROLE `+quote.Ident(s.AppRole))+`;`) + call, "permission denied"},
		"make a role":       {function(`EXECUTE 'CREATE ROLE mine';`) + call, "permission denied"},
		"alter the role":    {function(`EXECUTE `+quote.Literal(`ALTER ROLE `+quote.Ident(s.AppRole)+` PASSWORD 'x'`)+`;`) + call, "permission denied|must have"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := restore.Run(ctx, s, restore.Options{File: odoodbtest.TinyDump(t, tc.dump), Database: "db", Copy: true})
			found := false
			for want := range strings.SplitSeq(tc.want, "|") {
				found = found || err != nil && strings.Contains(err.Error(), want)
			}
			if !found {
				t.Errorf("got %v", err)
			}
			odoodbtest.NoLeftovers(t, s)
		})
	}
	if got := strings.Join(odoodbtest.Databases(t, s), " "); got != "db prod" {
		t.Errorf("databases: %s", got)
	}
}

// TestOwnership: everything of a restored database is the application role's,
// with the privileges that others had.
func TestOwnership(t *testing.T) {
	s := odoodbtest.NewServer(t)
	reader := "reader " + server.Token()
	odoodbtest.MustAdmin(t, s, server.Maintenance, `CREATE ROLE `+quote.Ident(reader))
	t.Cleanup(func() {
		if err := odoodbtest.DropAll(s, "db"); err != nil {
			t.Error(err)
		}
		odoodbtest.MustAdmin(t, s, server.Maintenance, `DROP OWNED BY `+quote.Ident(reader), `DROP ROLE `+quote.Ident(reader))
	})
	app := quote.Ident(s.AppRole)
	var many strings.Builder
	for range 150 { // three times what changes hands at once
		many.WriteString("CREATE TABLE public.many_" + server.Token() + " (id serial PRIMARY KEY, v text);\n")
	}
	file := dumpWith(t, many.String()+strings.NewReplacer(" READER", " "+quote.Ident(reader), " APP", " "+app).Replace(`CREATE SCHEMA "My S";
CREATE TABLE "My S".t (id serial PRIMARY KEY, v text);
CREATE TABLE "My S".p (id int) PARTITION BY RANGE (id);
CREATE TABLE "My S".p1 PARTITION OF "My S".p FOR VALUES FROM (0) TO (9);
CREATE VIEW "My S".v AS SELECT id FROM "My S".t;
CREATE MATERIALIZED VIEW "My S".m AS SELECT id FROM "My S".t;
CREATE SEQUENCE "My S".s;
CREATE TYPE "My S".e AS ENUM ('a');
CREATE TYPE "My S".c AS (a int);
CREATE DOMAIN "My S".d AS int;
CREATE FUNCTION "My S".f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
CREATE FUNCTION "My S".eq("My S".e, "My S".e) RETURNS bool LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR "My S".=== (LEFTARG = "My S".e, RIGHTARG = "My S".e, FUNCTION = "My S".eq);
CREATE TEXT SEARCH CONFIGURATION "My S".ts (COPY = pg_catalog.simple);
CREATE PUBLICATION pub FOR TABLE ONLY "My S".t;
CREATE STATISTICS "My S".st ON id, v FROM "My S".t;
CREATE COLLATION "My S".coll FROM "C";
SELECT pg_catalog.lo_create('4711');
ALTER TABLE "My S".t OWNER TO "somebody";
REVOKE ALL ON TABLE "My S".t FROM APP;
GRANT ALL ON TABLE "My S".t TO APP;
GRANT SELECT ON TABLE "My S".t TO READER;
GRANT EXECUTE ON FUNCTION "My S".f() TO READER;
GRANT USAGE ON SCHEMA "My S" TO READER;
GRANT SELECT ON LARGE OBJECT 4711 TO READER;
CREATE FUNCTION public.settle() RETURNS int LANGUAGE plpgsql AS $x$ BEGIN
	EXECUTE pg_catalog.format('ALTER DATABASE %I SET search_path = evil', pg_catalog.current_database());
	EXECUTE 'ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC'; RETURN 1; END $x$;
SELECT public.settle();
ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA public GRANT ALL ON TABLES TO READER;
ALTER DEFAULT PRIVILEGES FOR ROLE APP IN SCHEMA public GRANT SELECT ON TABLES TO READER;
`))
	rep, err := restore.Run(ctx, s, restore.Options{File: file, Database: "db"})
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.LeftOut) != 1 || !strings.Contains(rep.LeftOut[0].Text, `default privileges of role "postgres" were left out`) {
		t.Errorf("left out: %q", rep.LeftOut)
	}
	odoodbtest.NoLeftovers(t, s)
	for what, sql := range map[string]string{
		"relations":     `SELECT string_agg(relname, ' ') FROM pg_class WHERE oid >= 16384 AND pg_get_userbyid(relowner) <> $1`,
		"types":         `SELECT string_agg(typname, ' ') FROM pg_type WHERE oid >= 16384 AND pg_get_userbyid(typowner) <> $1 AND typname !~ 'gtrgm'`,
		"functions":     `SELECT string_agg(proname, ' ') FROM pg_proc p WHERE oid >= 16384 AND pg_get_userbyid(proowner) <> $1 AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')`,
		"schemas":       `SELECT string_agg(nspname, ' ') FROM pg_namespace WHERE oid >= 16384 AND pg_get_userbyid(nspowner) <> $1`,
		"operators":     `SELECT string_agg(oprname, ' ') FROM pg_operator WHERE oprname = '===' AND pg_get_userbyid(oprowner) <> $1`,
		"configs":       `SELECT string_agg(cfgname, ' ') FROM pg_ts_config WHERE oid >= 16384 AND pg_get_userbyid(cfgowner) <> $1`,
		"publications":  `SELECT string_agg(pubname, ' ') FROM pg_publication WHERE pg_get_userbyid(pubowner) <> $1`,
		"statistics":    `SELECT string_agg(stxname, ' ') FROM pg_statistic_ext WHERE pg_get_userbyid(stxowner) <> $1`,
		"collations":    `SELECT string_agg(collname, ' ') FROM pg_collation WHERE oid >= 16384 AND pg_get_userbyid(collowner) <> $1`,
		"large objects": `SELECT string_agg(oid::text, ' ') FROM pg_largeobject_metadata WHERE pg_get_userbyid(lomowner) <> $1`,
		"the database":  `SELECT string_agg(datname, ' ') FROM pg_database WHERE datname = current_database() AND pg_get_userbyid(datdba) <> $1`,
		"defaults":      `SELECT string_agg(pg_get_userbyid(defaclrole), ' ') FROM pg_default_acl WHERE pg_get_userbyid(defaclrole) <> $1`,
	} {
		if got := odoodbtest.Value[*string](t, s, "db", sql, s.AppRole); got != nil {
			t.Errorf("%s of another owner: %s", what, *got)
		}
	}
	if got := odoodbtest.Value[string](t, s, "db", `SELECT concat_ws(' ', has_table_privilege($1, '"My S".t', 'SELECT'), has_function_privilege($1, '"My S".f()', 'EXECUTE'),
		(SELECT count(*) FROM pg_default_acl), (SELECT setconfig FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE datname = 'db'),
		has_table_privilege($2, '"My S".t', 'TRUNCATE'), (SELECT lomacl::text ~ $1 FROM pg_largeobject_metadata))`, reader, s.AppRole); got != "t t 1 t t" {
		t.Errorf("privileges and settings: %s", got)
	}
}

// TestLoaderOverTCP: "local all all peer", as in Debian's pg_hba.conf, is no
// obstacle where the server has an address.
func TestLoaderOverTCP(t *testing.T) {
	s, _, _ := odoodbtest.LegacyServer(t, 15, "local all postgres,odoo trust\nlocal all all peer\nhost all all all scram-sha-256\n")
	if _, err := restore.Run(ctx, s, restore.Options{File: odoodbtest.TinyDump(t, ""), Database: "db"}); err != nil {
		t.Fatal(err)
	}
	odoodbtest.NoLeftovers(t, s)
}

// TestLoaderNotAdmitted: where pg_hba.conf lets in certain roles alone, nothing
// is restored as one of those, and the message has the line that is missing.
func TestLoaderNotAdmitted(t *testing.T) {
	s, c, _ := odoodbtest.LegacyServer(t, 15, "local all postgres,odoo trust\nhost all odoo all scram-sha-256\n")
	_, err := restore.Run(ctx, s, restore.Options{File: odoodbtest.TinyDump(t, ""), Database: "db"})
	const line = "local all all scram-sha-256"
	if err == nil || !strings.Contains(err.Error(), line) {
		t.Fatalf("got %v", err)
	}
	odoodbtest.NoLeftovers(t, s)
	// What it says is enough.
	if err := c.WriteHBA(c.HBA + line + "\n"); err != nil {
		t.Fatal(err)
	}
	odoodbtest.MustAdmin(t, s, server.Maintenance, `SELECT pg_reload_conf()`)
	for range 100 { // until the postmaster has read it
		if _, err = restore.Run(ctx, s, restore.Options{File: odoodbtest.TinyDump(t, ""), Database: "db"}); err == nil || !strings.Contains(err.Error(), line) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil {
		t.Error(err)
	}
}
