package odoodb

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/host/engine"
)

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
	b.WriteString("\\.\nCOMMIT;\n\nALTER TABLE ONLY public.many ADD CONSTRAINT many_pkey PRIMARY KEY (id);\n--\n" + trailerLine + "\n--\n")
	return strings.NewReader(b.String())
}

func TestLoadOverSeveralConnections(t *testing.T) {
	s := newServer(t)
	for _, db := range []string{"loaded", "by psql"} {
		if err := s.Create(ctx, db, CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	l := &loader{s: s, database: "loaded", jobs: 3}
	if err := l.load(ctx, largeDump(-1)); err != nil {
		t.Fatal(err)
	}
	if err := s.PG.Command(ctx, engine.Command{Argv: []string{"psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", s.AppRole, "-d", conninfo("by psql")},
		Stdin: largeDump(-1), Stdout: io.Discard}); err != nil {
		t.Fatal(err)
	}
	if got, want := rowCounts(t, s, "loaded"), rowCounts(t, s, "by psql"); got != want {
		t.Errorf("got\n%s\npsql has\n%s", got, want)
	}
	// Each connection's COPY is a transaction.
	for table, several := range map[string]bool{"many": true, "wide": true, "own": false} {
		if n := value[int](t, s, "loaded", "SELECT count(DISTINCT xmin::text)::int FROM public."+table); (n > 1) != several {
			t.Errorf("%s was loaded in %d transactions", table, n)
		}
	}
}

// TestRowGoesOn: the backslash that makes a newline part of a value may have
// been sent before the newline comes.
func TestRowGoesOn(t *testing.T) {
	w := &copyWorker{in: make(chan part, 3)}
	c := &copier{ctx: ctx, current: w}
	for _, p := range []string{strings.Repeat("x", chunkSize-1), `\`, "\n", "end\n"} {
		if _, err := c.Write([]byte(p)); err != nil {
			t.Fatal(err)
		}
	}
	if first, second := <-w.in, <-w.in; first.last || len(first.bytes) != chunkSize || !second.last || string(second.bytes) != "\nend\n" {
		t.Errorf("got %v and %q, %v", first.last, second.bytes, second.last)
	}
}

// TestLoadFailsAsOne: one connection's bad row ends the others' work.
func TestLoadFailsAsOne(t *testing.T) {
	s := newServer(t)
	if err := s.Create(ctx, "loaded", CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	l := &loader{s: s, database: "loaded", jobs: 3}
	err := l.load(ctx, largeDump(60_000))
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != "22P02" {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{`database "loaded"`, "COPY public.many", `"x"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %s", err, want)
		}
	}
	if n := value[int](t, s, "loaded", "SELECT count(*)::int FROM public.many"); n != 0 {
		t.Errorf("%d rows of a table that was given up are there", n)
	}
}

// TestLoadNamesTheStatement: statements are sent together, and the error names
// the one that failed.
func TestLoadNamesTheStatement(t *testing.T) {
	s := newServer(t)
	if err := s.Create(ctx, "loaded", CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i := range 120 {
		fmt.Fprintf(&b, "CREATE TABLE public.t%d (id integer);\n", i)
		if i == 70 {
			b.WriteString("CREATE TABLE public.t70 (of_another text);\n")
		}
	}
	b.WriteString(trailerLine + "\n")
	l := &loader{s: s, database: "loaded", jobs: 1}
	if err := l.load(ctx, strings.NewReader(b.String())); err == nil || !strings.Contains(err.Error(), "of_another") {
		t.Errorf("got %v", err)
	}
}
