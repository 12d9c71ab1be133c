package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/sqldump"
)

func TestMain(m *testing.M) { odoodbtest.Main(m) }

// newDatabase is an empty one, and a Loader for it.
func newDatabase(t *testing.T, name string) *Loader {
	t.Helper()
	pg := odoodbtest.Shared(t)
	connect := func(database string) (*pgx.Conn, error) {
		return engine.Connect(context.Background(), pg, engine.Login{User: odoodbtest.Superuser, Database: database})
	}
	run := func(sql string) {
		c, err := connect("postgres")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(context.Background())
		if _, err := c.Exec(context.Background(), sql); err != nil {
			t.Fatal(err)
		}
	}
	run("CREATE DATABASE " + name + " TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C'")
	t.Cleanup(func() { run("DROP DATABASE " + name) })
	return &Loader{Database: name, Connect: func(context.Context) (*pgx.Conn, error) { return connect(name) }}
}

func value[T any](t *testing.T, l *Loader, sql string) T {
	t.Helper()
	c, err := l.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	var v T
	if err := c.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// largeDump has a table of many chunks, rows larger than a chunk, a newline
// that psql and COPY take for a value's own, and a transaction of its own.
func largeDump(badRow int) io.Reader {
	var b strings.Builder
	b.WriteString("SET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\nSELECT pg_catalog.set_config('search_path', '', false);\n")
	b.WriteString("CREATE TABLE public.many (id integer, text text);\nCREATE TABLE public.wide (id integer, text text);\nCREATE TABLE public.none (id integer);\n")
	// Each COPY has to wait a moment, so that one connection is not enough.
	b.WriteString("CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END $$;\n")
	for _, table := range []string{"many", "wide"} {
		b.WriteString("CREATE TRIGGER slow BEFORE INSERT ON public." + table + " EXECUTE FUNCTION public.slow();\n")
	}
	b.WriteString("COPY public.many (id, text) FROM stdin;\n")
	for i := range 120_000 {
		id := fmt.Sprint(i)
		if i == badRow {
			id = "x"
		}
		fmt.Fprintf(&b, "%s\t%s\\n%d\n", id, strings.Repeat("Ä ", i%90), i)
	}
	b.WriteString("\\.\n\nCOPY public.wide (id, text) FROM stdin;\n")
	for i := range 6 {
		fmt.Fprintf(&b, "%d\t%s\\\nend\n", i, strings.Repeat("wide", (i+1)*400_000))
	}
	b.WriteString("\\.\n\nCOPY public.none (id) FROM stdin;\n\\.\n\n")
	b.WriteString("BEGIN;\nCREATE TABLE public.own (id integer);\nCOPY public.own (id) FROM stdin;\n")
	for i := range 400_000 {
		fmt.Fprintf(&b, "%d\n", i)
	}
	b.WriteString("\\.\nCOMMIT;\n\nALTER TABLE ONLY public.many ADD CONSTRAINT many_pkey PRIMARY KEY (id);\n--\n" + sqldump.Trailer + "\n--\n")
	return strings.NewReader(b.String())
}

func TestOverSeveralConnections(t *testing.T) {
	l, other := newDatabase(t, "loaded"), newDatabase(t, "by_psql")
	l.Jobs = 3
	var size, last int64
	var ended bool
	l.Read = func(done, total int64, finished bool) {
		if done < last || ended {
			t.Errorf("%d bytes read after %d", done, last)
		}
		last, size, ended = done, total, finished
	}
	if err := l.Load(t.Context(), largeDump(-1), 1<<30); err != nil {
		t.Fatal(err)
	}
	if n, _ := io.Copy(io.Discard, largeDump(-1)); !ended || size != 1<<30 || last < n/2 || last > n {
		t.Errorf("%d of %d bytes were said to be read, ended: %v", last, size, ended)
	}
	if err := odoodbtest.Shared(t).Command(t.Context(), engine.Command{Argv: []string{"psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", odoodbtest.Superuser, "-d", other.Database},
		Stdin: largeDump(-1), Stdout: io.Discard}); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"many", "wide", "none", "own"} {
		sums := "SELECT count(*) || ' ' || coalesce(sum(hashtextextended(x::text, 0)), 0) FROM public." + table + " x"
		if got, want := value[string](t, l, sums), value[string](t, other, sums); got != want {
			t.Errorf("%s: got %s, psql has %s", table, got, want)
		}
	}
	// Each connection's COPY is a transaction.
	for _, table := range []string{"many", "wide"} {
		if n := value[int](t, l, "SELECT count(DISTINCT xmin::text)::int FROM public."+table); n < 2 {
			t.Errorf("%s was loaded in %d transactions", table, n)
		}
	}
}

// TestRowGoesOn: the backslash that makes a newline part of a value may have
// been sent before the newline comes.
func TestRowGoesOn(t *testing.T) {
	w := &copyWorker{in: make(chan part, 3)}
	c := &copier{ctx: t.Context(), current: w}
	for _, p := range []string{strings.Repeat("x", chunkSize-1), `\`, "\n", "end\n"} {
		if _, err := c.Write([]byte(p)); err != nil {
			t.Fatal(err)
		}
	}
	if first, second := <-w.in, <-w.in; first.last || len(first.bytes) != chunkSize || !second.last || string(second.bytes) != "\nend\n" {
		t.Errorf("got %v and %q, %v", first.last, second.bytes, second.last)
	}
}

// TestFailsAsOne: one connection's bad row ends the others' work.
func TestFailsAsOne(t *testing.T) {
	l := newDatabase(t, "loaded")
	l.Jobs = 3
	err := l.Load(t.Context(), largeDump(60_000), 0)
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != "22P02" {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{`database "loaded"`, "COPY public.many", `"x"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %s", err, want)
		}
	}
	if n := value[int](t, l, "SELECT count(*)::int FROM public.many"); n != 0 {
		t.Errorf("%d rows of a table that was given up are there", n)
	}
}

// TestNamesTheStatement: statements are sent together, and the error names
// the one that failed.
func TestNamesTheStatement(t *testing.T) {
	l := newDatabase(t, "loaded")
	var b strings.Builder
	for i := range 120 {
		fmt.Fprintf(&b, "CREATE TABLE public.t%d (id integer);\n", i)
		if i == 70 {
			b.WriteString("CREATE TABLE public.t70 (of_another text);\n")
		}
	}
	b.WriteString(sqldump.Trailer + "\n")
	if err := l.Load(t.Context(), strings.NewReader(b.String()), 0); err == nil || !strings.Contains(err.Error(), "of_another") {
		t.Errorf("got %v", err)
	}
}

func TestCutOff(t *testing.T) {
	l := newDatabase(t, "loaded")
	if err := l.Load(t.Context(), strings.NewReader("CREATE TABLE public.t (id integer);\n"), 0); !errors.Is(err, sqldump.ErrCutOff) {
		t.Errorf("got %v", err)
	}
}
