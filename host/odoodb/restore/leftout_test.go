package restore_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/server"
)

// forbidden is what an ordinary database gets by a superuser's hands, each thing
// with what a restore says that it has left out ("" for nothing), as a part of
// the sentence. What follows each still has to run.
var forbidden = []struct{ sql, says string }{
	{`GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_waldir() TO READER;`, `privileges on function pg_catalog.pg_ls_waldir were left out: only a superuser`},
	{`REVOKE ALL ON FUNCTION pg_catalog.pg_sleep(double precision) FROM PUBLIC;`, `privileges on function pg_catalog.pg_sleep`},
	{`GRANT MAINTAIN ON TABLE public.notes TO READER;`, ``},
	{`GRANT SELECT,MAINTAIN ON TABLE public.notes TO READER;`, ``},
	{`GRANT SELECT ON TABLE public.notes TO nobody_here;`, `privileges of role "nobody_here"`},
	{`COMMENT ON EXTENSION pgstattuple IS 'x';`, ``},
	{`GRANT ALL ON FUNCTION public.pgstattuple(regclass) TO READER;`, `function public.pgstattuple`},
	{"COPY public.spatial_ref_sys (srid) FROM stdin;\n990001\n\\.\n", `rows of table public.spatial_ref_sys were left out`},
	{`CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'x');`, `server other was left out`},
	{`CREATE USER MAPPING FOR PUBLIC SERVER other;`, `user mapping`},
	{`CREATE FOREIGN TABLE public.far (id integer) SERVER other;`, `foreign table public.far was left out`},
	{`GRANT SELECT ON TABLE public.far TO READER;`, `table public.far`},
	{`COMMENT ON FOREIGN TABLE public.far IS 'x';`, `comment on foreign table`},
	{`SET default_tablespace = fast;`, `tablespace "fast"`},
	{`CREATE TABLE public.moved (id integer);`, ``},
	{`SET default_tablespace = '';`, ``},
	{`SET session_replication_role = 'replica';`, `SET session_replication_role = 'replica' was left out: permission denied`},
	{`SET a_setting_of_a_later_version = 0;`, `a_setting_of_a_later_version`},
	{`SET transaction_timeout = 0;`, ``},
	{`SELECT * FROM pg_catalog.pg_restore_relation_stats('version', '180000'::integer, 'schemaname', 'public', 'relname', 'notes', 'relpages', '1'::integer);`, ``},
	{`ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY;`, ``},
	{`CREATE POLICY none ON public.notes FOR SELECT TO nobody_here USING (true);`, `policy "none" was left out: it is for role "nobody_here"`},
	{`CREATE POLICY mixed ON public.notes AS RESTRICTIVE FOR SELECT TO nobody_here, READER USING (note <> ' TO nobody_here');`, `policy "mixed" on table public.notes was restored without role "nobody_here"`},
	{`CREATE FUNCTION public.safe(text) RETURNS boolean LANGUAGE sql IMMUTABLE LEAKPROOF AS $$ SELECT 'leakproof' = $1 $$;`, `function "public.safe" was restored without LEAKPROOF`},
	{`CREATE FUNCTION public.lib(integer) RETURNS integer LANGUAGE c AS '$libdir/nowhere', 'f';`, `function public.lib was left out`},
	{`CREATE OPERATOR public.<<<< (FUNCTION = public.lib, RIGHTARG = integer);`, `operator public.<<<< was left out`},
	{`CREATE FUNCTION public.cmp(text, text) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 0';`, ``},
	{`CREATE OPERATOR CLASS public.mine FOR TYPE text USING btree AS FUNCTION 1 public.cmp(text, text);`, `operator class public.mine was left out`},
	{`CREATE CAST (text AS json) WITH INOUT AS ASSIGNMENT;`, `cast`},
	{`CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION public.watch();`, `event trigger "watch"`},
	{`CREATE PUBLICATION everything FOR ALL TABLES;`, `publication "everything"`},
	{`CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p;`, `subscription "s"`},
	{`SECURITY LABEL ON TABLE public.notes IS 'secret';`, `security label of table public.notes`},
	{`ALTER TABLE ONLY public.notes ALTER COLUMN note SET COMPRESSION no_such;`, `table public.notes`},
	{`ALTER TABLE public.notes CLUSTER ON no_such_index;`, `table public.notes was left out: index "no_such_index"`},
	{`ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA public GRANT SELECT ON TABLES TO READER;`, `default privileges of role "postgres"`},
	{`CREATE FUNCTION public.unqualified(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT other($1)';`, ``},
	{`CREATE INDEX by_own_path ON public.notes USING btree (public.unqualified(note));`, ``},
	{`CREATE MATERIALIZED VIEW public.words AS SELECT word FROM ts_stat('SELECT to_tsvector(note) FROM notes') WITH NO DATA;`, ``},
	{`REFRESH MATERIALIZED VIEW public.words;`, ``},
	{`CREATE MATERIALIZED VIEW public.never AS SELECT * FROM ts_stat('SELECT to_tsvector(note) FROM nowhere') WITH NO DATA;`, ``},
	{`REFRESH MATERIALIZED VIEW public.never;`, `materialized view public.never is empty, since its query fails here: relation "nowhere" does not exist`},
}

// leftExtensions are those before the first table.
var leftExtensions = []struct{ sql, says string }{
	{`CREATE EXTENSION IF NOT EXISTS pgstattuple WITH SCHEMA public;`, `extension "pgstattuple" was left out: only a superuser may create it`},
	{`CREATE EXTENSION IF NOT EXISTS postgres_fdw WITH SCHEMA public;`, `extension "postgres_fdw" was left out`},
	{`CREATE EXTENSION IF NOT EXISTS no_such_extension WITH SCHEMA public;`, `extension "no_such_extension" was left out: this server does not have it`},
}

// TestLeftOut: what a role may not make, and no row depends on, ends no restore.
// Before a single one of these did.
func TestLeftOut(t *testing.T) {
	s := odoodbtest.NewServer(t)
	reader := "reader_" + server.Token()
	odoodbtest.MustAdmin(t, s, server.Maintenance, `CREATE ROLE `+reader)
	t.Cleanup(func() { odoodbtest.MustAdmin(t, s, server.Maintenance, `DROP OWNED BY `+reader, `DROP ROLE `+reader) })
	t.Cleanup(func() { _ = odoodbtest.DropAll(s, "db") })
	sql := `SET check_function_bodies = false;
SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.notes (id integer, note text);
CREATE FUNCTION public.watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE FUNCTION public.other(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
COPY public.notes (id, note) FROM stdin;
1	hello
2	world
\.
`
	for _, f := range forbidden {
		sql += f.sql + "\n"
	}
	head := ""
	for _, f := range leftExtensions {
		head += f.sql + "\n"
	}
	rep, err := restore.Run(ctx, s, restore.Options{File: odoodbtest.DumpOf(t, head, strings.ReplaceAll(sql, "READER", reader)), Database: "db"})
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, o := range rep.LeftOut {
		if o.Kind == "" || o.Text == "" {
			t.Errorf("without a kind or a text: %+v", o)
		}
		said = append(said, o.Text)
	}
	n := 0
	for _, f := range append(leftExtensions, forbidden...) {
		if f.says == "" {
			continue
		}
		n++
		if !slices.ContainsFunc(said, func(text string) bool { return strings.Contains(text, f.says) }) {
			t.Errorf("%s\nis not said, as %q", f.sql, f.says)
		}
	}
	if n != len(said) || t.Failed() {
		t.Errorf("said, %d for %d:\n%s", len(said), n, strings.Join(said, "\n"))
	}
	if got := odoodbtest.Value[string](t, s, "db", `SELECT concat_ws(' ', (SELECT count(*) FROM notes), (SELECT count(*) FROM words), to_regclass('by_own_path'), to_regclass('moved'),
		(SELECT string_agg(polname || pg_get_expr(polqual, polrelid) || (polroles = ARRAY[$1::regrole::oid]), ',') FROM pg_policy), has_table_privilege($1, 'notes', 'SELECT'), (SELECT safe('leakproof')))`, reader); got != `2 2 by_own_path moved mixed(note <> ' TO nobody_here'::text)true t t` {
		t.Errorf("restored: %s", got)
	}
	odoodbtest.NoLeftovers(t, s)
}

// TestNeeded: what something depends on is not left out; the refusal says what is
// missing and how the archive can be restored all the same.
func TestNeeded(t *testing.T) {
	s := odoodbtest.NewServer(t)
	t.Cleanup(func() { _ = odoodbtest.DropAll(s, "db") })
	file := odoodbtest.DumpOf(t, "CREATE EXTENSION IF NOT EXISTS pgstattuple WITH SCHEMA public;", `
CREATE VIEW public.bloat AS SELECT * FROM public.pgstattuple('ir_module_module');
`)
	_, err := restore.Run(ctx, s, restore.Options{File: file, Database: "db"})
	if !archive.IsRefused(err) || !strings.Contains(err.Error(), "--as-admin pgstattuple") || !strings.Contains(err.Error(), "CREATE VIEW public.bloat") {
		t.Fatalf("got %v", err)
	}
	odoodbtest.NoLeftovers(t, s)
	rep, err := restore.Run(ctx, s, restore.Options{File: file, Database: "db", AsAdmin: []string{"pgstattuple"}})
	if err != nil || len(rep.LeftOut) > 0 {
		t.Fatalf("as the administrator: %v, %v", rep.LeftOut, err)
	}
	if _, err := restore.Run(ctx, s, restore.Options{File: file, Database: "other", AsAdmin: []string{"dblink"}}); !archive.IsRefused(err) {
		t.Errorf("an extension that the archive does not have: %v", err)
	}
	_, err = restore.Run(ctx, s, restore.Options{File: odoodbtest.DumpOf(t, "CREATE EXTENSION postgis;", "CREATE TABLE public.places (at public.geometry);\n"), Database: "other"})
	if !archive.IsRefused(err) || !strings.Contains(err.Error(), `extension "postgis" was left out: this server does not have it`) {
		t.Errorf("a type of an extension that the server does not have: %v", err)
	}
}

// TestExtensionElsewhere: unaccent in a schema of its own, made IMMUTABLE by a
// superuser, and in an index; a wrapper that finds it by the search_path.
func TestExtensionElsewhere(t *testing.T) {
	s := odoodbtest.NewServer(t)
	t.Cleanup(func() { _ = odoodbtest.DropAll(s, "db") })
	rep, err := restore.Run(ctx, s, restore.Options{File: odoodbtest.DumpOf(t, `SELECT pg_catalog.set_config('search_path', '', false);
CREATE SCHEMA ext;
COMMENT ON SCHEMA ext IS 'x';
CREATE EXTENSION IF NOT EXISTS unaccent WITH SCHEMA ext;
`, `
CREATE FUNCTION public.f_unaccent(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT unaccent($1)';
CREATE TABLE public.partner (name text);
CREATE INDEX direct ON public.partner USING btree (ext.unaccent(name));
CREATE INDEX wrapped ON public.partner USING btree (public.f_unaccent(name));
`), Database: "db", Unaccent: true})
	if err != nil || len(rep.LeftOut) > 0 {
		t.Fatalf("%v, %v", rep.LeftOut, err)
	}
	if got := odoodbtest.Value[string](t, s, "db", `SELECT concat_ws(' ', to_regclass('direct'), to_regclass('wrapped'), (SELECT nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'unaccent'),
		(SELECT pg_get_userbyid(nspowner) = $1 FROM pg_namespace WHERE nspname = 'ext'))`, s.AppRole); got != "direct wrapped ext t" {
		t.Errorf("restored: %s", got)
	}
}

// TestBrokenConstraints: keys that the rows break, as a damaged index lets them in.
func TestBrokenConstraints(t *testing.T) {
	s := odoodbtest.NewServer(t)
	t.Cleanup(func() { _ = odoodbtest.DropAll(s, "db") })
	file := odoodbtest.TinyDump(t, `CREATE TABLE public.a (id integer, code text);
CREATE TABLE public.b (a integer);
COPY public.a (id, code) FROM stdin;
1	x
1	x
\.
COPY public.b (a) FROM stdin;
1
7
\.
ALTER TABLE ONLY public.a ADD CONSTRAINT a_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX a_code ON public.a USING btree (code);
ALTER TABLE ONLY public.a REPLICA IDENTITY USING INDEX a_code;
ALTER TABLE ONLY public.b ADD CONSTRAINT b_a_fkey FOREIGN KEY (a) REFERENCES public.a(id);
`)
	if _, err := restore.Run(ctx, s, restore.Options{File: file, Database: "db"}); err == nil || !strings.Contains(err.Error(), "--allow-broken-constraints") {
		t.Fatalf("got %v", err)
	}
	odoodbtest.NoLeftovers(t, s)
	rep, err := restore.Run(ctx, s, restore.Options{File: file, Database: "db", AllowBroken: true})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range rep.LeftOut {
		names = append(names, o.Kind+" "+o.Name)
	}
	slices.Sort(names)
	if got := strings.Join(names, ", "); got != "constraint public.a.a_code, constraint public.a.a_pkey, constraint public.b.b_a_fkey, setting of table public.a" {
		t.Errorf("left out: %s", got)
	}
}
