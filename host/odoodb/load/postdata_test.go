package load

import (
	"context"
	"fmt"
	"io"
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

// waits is a function that waits for the sequence checked. A sequence shows its state to
// everybody at once; a function that is immutable sees nothing else that happens meanwhile.
const waits = `CREATE FUNCTION public.wait(i integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
	FOR n IN 1..1000 LOOP
		IF (SELECT is_called FROM public.checked) THEN RETURN i; END IF;
		PERFORM pg_catalog.pg_sleep(0.01);
	END LOOP;
	RAISE 'the foreign key waits for the index of another table';
END $$;
`

// TestForeignKeyBesideIndexes: a foreign key waits for the indexes of its own tables and
// not for those of others. The other table's index is not built before it is there.
func TestForeignKeyBesideIndexes(t *testing.T) {
	l := newDatabase(t, "loaded")
	l.Jobs = 2
	run(t, l, `CREATE SEQUENCE public.checked`)
	run(t, l, `CREATE FUNCTION public.note() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
		IF EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE contype = 'f') THEN PERFORM pg_catalog.nextval('public.checked'); END IF; END $$`)
	run(t, l, `CREATE EVENT TRIGGER note ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION public.note()`)
	dump := waits + `CREATE TABLE public.large (id integer);
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

// largeKeys is a dump with a large table that refers to another one, by a primary key and
// by what a unique index alone is of; broken has a row that refers to nothing.
func largeKeys(broken bool, before, last string) io.Reader {
	var b strings.Builder
	b.WriteString(before + "CREATE TABLE public.\"Line\" (id integer, message integer, code integer, text text);\nCREATE TABLE public.message (id integer, code integer);\n")
	b.WriteString("COPY public.\"Line\" (id, message, code, text) FROM stdin;\n")
	for i := range 60_000 {
		fmt.Fprintf(&b, "%d\t%d\t%d\t%s\n", i, i%100, i%100, strings.Repeat("x", 300))
	}
	if broken {
		b.WriteString("60000\t100\t100\t\n")
	}
	b.WriteString("\\.\nCOPY public.message (id, code) FROM stdin;\n")
	for i := range 100 {
		fmt.Fprintf(&b, "%d\t%d\n", i, i)
	}
	b.WriteString(`\.
ALTER TABLE ONLY public."Line"
    ADD CONSTRAINT "Line_pkey" PRIMARY KEY (id);
ALTER TABLE ONLY public.message
    ADD CONSTRAINT message_pkey PRIMARY KEY (id);
` + last + `
CREATE UNIQUE INDEX message_code ON public.message USING btree (code);
ALTER TABLE ONLY public."Line"
    ADD CONSTRAINT "of message" FOREIGN KEY (message) REFERENCES public.message(id) ON DELETE CASCADE;
ALTER TABLE ONLY public."Line"
    ADD CONSTRAINT of_code FOREIGN KEY (code) REFERENCES public.message(code) DEFERRABLE INITIALLY DEFERRED;
` + sqldump.Trailer + "\n")
	return strings.NewReader(b.String())
}

const foreignKeys = `SELECT coalesce(string_agg(pg_get_constraintdef(oid), ', ' ORDER BY conname), '') FROM pg_constraint WHERE contype = 'f' AND conrelid = 'public."Line"'::regclass`

// TestLargeForeignKeys: a foreign key of a large table is checked beside the indexes of the
// other one. The index here is not built before the checks are done.
func TestLargeForeignKeys(t *testing.T) {
	l := newDatabase(t, "loaded")
	l.Jobs = 2
	run(t, l, `CREATE SEQUENCE public.checked`)
	run(t, l, `CREATE FUNCTION public.note() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
		IF (SELECT count(*) FROM pg_catalog.pg_constraint WHERE contype = 'f' AND convalidated AND conrelid = 'public."Line"'::regclass) = 2 THEN PERFORM pg_catalog.nextval('public.checked'); END IF; END $$`)
	run(t, l, `CREATE EVENT TRIGGER note ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION public.note()`)
	if err := l.Load(t.Context(), largeKeys(false, waits, `CREATE INDEX message_wait ON public.message USING btree (public.wait(id));`), 0); err != nil {
		t.Fatal(err)
	}
	const want = `FOREIGN KEY (message) REFERENCES message(id) ON DELETE CASCADE, FOREIGN KEY (code) REFERENCES message(code) DEFERRABLE INITIALLY DEFERRED`
	if got := value[string](t, l, foreignKeys); got != want {
		t.Errorf("%s", got)
	}
}

// TestLargeForeignKeysBroken: rows that break one are called what they are of any other.
func TestLargeForeignKeysBroken(t *testing.T) {
	l := newDatabase(t, "loaded")
	err := l.Load(t.Context(), largeKeys(true, "", ""), 0)
	const want = `violates foreign key constraint "of message" (SQLSTATE 23503) (Key (message)=(100) is not present in table "message".), in: ALTER TABLE ONLY public."Line" ADD CONSTRAINT "of message" FOREIGN KEY`
	if err == nil || !strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), "of_code") || !strings.Contains(err.Error(), "--allow-broken-constraints") {
		t.Errorf("%v", err)
	}
	l = newDatabase(t, "without")
	l.AllowBroken = true
	if err := l.Load(t.Context(), largeKeys(true, "", ""), 0); err != nil {
		t.Fatal(err)
	}
	if got := value[string](t, l, foreignKeys); got != "" {
		t.Errorf("left: %s", got)
	}
	var left []string
	for _, o := range l.LeftOut() {
		left = append(left, o.Kind+" "+o.Name)
	}
	slices.Sort(left)
	if want := []string{"constraint public.Line.of message", "constraint public.Line.of_code"}; !slices.Equal(left, want) {
		t.Errorf("left out: %q", left)
	}
}

// TestArrange: what takes longest comes first, and nothing before what it needs.
func TestArrange(t *testing.T) {
	var batch []*job
	for _, sql := range []string{
		`ALTER TABLE ONLY public.partner ADD CONSTRAINT partner_pkey PRIMARY KEY (id)`,
		`ALTER TABLE ONLY public.tag ADD CONSTRAINT tag_pkey PRIMARY KEY (id)`,
		`ALTER TABLE ONLY public.country ADD CONSTRAINT country_pkey PRIMARY KEY (id)`,
		`ALTER TABLE ONLY public.message ADD CONSTRAINT message_pkey PRIMARY KEY (id)`,
		`ALTER TABLE ONLY public.line ADD CONSTRAINT line_pkey PRIMARY KEY (id)`,
		`CREATE INDEX message_date ON public.message USING btree (date)`,
		`CREATE INDEX message_model ON public.message USING btree (model, ((res_id)::text), lower(a, b))`,
		`CREATE INDEX message_body ON public.message USING gin (body public.gin_trgm_ops)`,
		`CREATE UNIQUE INDEX message_code ON public.message USING btree (code)`,
		`CREATE INDEX line_partner ON public.line USING btree (partner)`,
		`ALTER TABLE ONLY public.line ADD CONSTRAINT line_to_message FOREIGN KEY (message) REFERENCES public.message(id) ON DELETE CASCADE`,
		`ALTER TABLE ONLY public.line ADD CONSTRAINT line_to_line FOREIGN KEY (parent) REFERENCES public.line(id)`,
		`ALTER TABLE ONLY public.line ADD CONSTRAINT line_unchecked FOREIGN KEY (other) REFERENCES public.message(id) NOT VALID`,
		`ALTER TABLE ONLY public.line ADD CONSTRAINT line_to_partitioned FOREIGN KEY (part) REFERENCES public.partitioned(id)`,
		`ALTER TABLE ONLY public.partner ADD CONSTRAINT partner_to_country FOREIGN KEY (country) REFERENCES public.country(id)`,
	} {
		batch = append(batch, whole(sql, sqldump.Classify([]byte(sql+";"))))
	}
	var got []string
	for _, j := range arrange(batch, map[string]int64{"public\x00message": 900 << 20, "public\x00line": 100 << 20, "public\x00partner": 10, "public\x00tag": 50, "public\x00country": 1}) {
		words := strings.Fields(j.sql)
		name := words[2]
		switch {
		case words[0] == "ALTER":
			name = words[6]
		case words[1] == "UNIQUE":
			name = words[3]
		}
		got = append(got, strings.TrimSpace([]string{"", "add ", "check "}[j.step]+name))
	}
	want := []string{
		"line_pkey", "message_pkey", "add line_to_message", "add line_to_line", "line_unchecked",
		"line_partner", "check line_to_message", "check line_to_line", "message_body", "message_model", "message_date", "message_code", "line_to_partitioned",
		"tag_pkey", "partner_pkey", "country_pkey", "partner_to_country",
	}
	slices.Sort(got[:2])
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
