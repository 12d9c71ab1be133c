package load

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/odoodb/sqldump"
)

// run executes SQL as the superuser, beside the load.
func run(t *testing.T, l *Loader, sql string) {
	t.Helper()
	c, err := l.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if _, err := c.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// TestForeignKeyBesideIndexes: a foreign key waits for the indexes of its own tables and
// not for those of others. The other table's index is not built before it is there.
func TestForeignKeyBesideIndexes(t *testing.T) {
	l := newDatabase(t, "loaded")
	l.Jobs = 2
	run(t, l, `CREATE SEQUENCE public.checked`)
	run(t, l, `CREATE FUNCTION public.note() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
		IF EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE contype = 'f') THEN PERFORM pg_catalog.nextval('public.checked'); END IF; END $$`)
	run(t, l, `CREATE EVENT TRIGGER note ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION public.note()`)
	// A sequence shows its state to everybody at once; a function that is immutable sees
	// nothing else that happens meanwhile.
	dump := `CREATE FUNCTION public.wait(i integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
	FOR n IN 1..1000 LOOP
		IF (SELECT is_called FROM public.checked) THEN RETURN i; END IF;
		PERFORM pg_catalog.pg_sleep(0.01);
	END LOOP;
	RAISE 'the foreign key waits for the index of another table';
END $$;
CREATE TABLE public.large (id integer);
CREATE TABLE public.small (id integer, other integer);
COPY public.large (id) FROM stdin;
` + strings.Repeat("1\n", 2000) + `\.
COPY public.small (id, other) FROM stdin;
1	1
\.
ALTER TABLE ONLY public.small ADD CONSTRAINT small_pkey PRIMARY KEY (id);
CREATE INDEX large_wait ON public.large USING btree (public.wait(id));
CREATE INDEX small_other ON public.small USING btree (other);
ALTER TABLE ONLY public.small ADD CONSTRAINT small_other_fkey FOREIGN KEY (other) REFERENCES public.small(id);
` + sqldump.Trailer + "\n"
	if err := l.Load(t.Context(), strings.NewReader(dump), 0); err != nil {
		t.Fatal(err)
	}
	if n := value[int](t, l, `SELECT count(*)::int FROM pg_constraint WHERE conrelid = 'public.small'::regclass AND contype IN ('f', 'p') AND convalidated`); n != 2 {
		t.Errorf("%d keys", n)
	}
}

// TestForeignKeyByAnotherName: in a dump of an old pg_dump that somebody has edited, one
// statement names the schema and another does not. The key comes before what refers to it.
func TestForeignKeyByAnotherName(t *testing.T) {
	l := newDatabase(t, "loaded")
	l.Jobs = 2
	var b strings.Builder
	b.WriteString("SET search_path = public, pg_catalog;\nCREATE TABLE a (id integer);\nCREATE TABLE b (id integer);\nCOPY b (id) FROM stdin;\n")
	for i := range 100_000 {
		fmt.Fprintln(&b, i)
	}
	b.WriteString("\\.\nALTER TABLE ONLY b ADD CONSTRAINT b_pkey PRIMARY KEY (id);\n" +
		"ALTER TABLE ONLY public.a ADD CONSTRAINT a_fkey FOREIGN KEY (id) REFERENCES public.b(id);\n" + sqldump.Trailer + "\n")
	if err := l.Load(t.Context(), strings.NewReader(b.String()), 0); err != nil {
		t.Fatal(err)
	}
}

// TestOrder: what takes longest comes first, and a foreign key behind the indexes that
// it waits for.
// TestOrder: what takes longest comes first, and a foreign key behind the indexes that
// it waits for.
func TestOrder(t *testing.T) {
	batch := []job{
		{sql: "partner's key", tables: []string{"partner"}, kind: sqldump.Key},
		{sql: "tag's key", tables: []string{"tag"}, kind: sqldump.Key},
		{sql: "country's key", tables: []string{"country"}, kind: sqldump.Key},
		{sql: "message's key", tables: []string{"message"}, kind: sqldump.Key},
		{sql: "message's index", tables: []string{"message"}, kind: sqldump.Index},
		{sql: "partner to country", tables: []string{"partner", "country"}, kind: sqldump.ForeignKey},
		{sql: "message to partner", tables: []string{"message", "partner"}, kind: sqldump.ForeignKey},
	}
	order(batch, map[string]int64{"message": 1000, "partner": 10, "tag": 50, "country": 1})
	var got []string
	for _, j := range batch {
		got = append(got, j.sql)
	}
	want := []string{"partner's key", "message's key", "message's index", "message to partner", "tag's key", "country's key", "partner to country"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
