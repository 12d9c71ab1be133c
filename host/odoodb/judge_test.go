package odoodb

import (
	"bytes"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/sqldump"
)

// TestOneJudgement: verify and restore say the same about an archive, in the
// same words.
func TestOneJudgement(t *testing.T) {
	s := newServer(t)
	oldStyle := func(name string, b []byte) []byte {
		if name != "dump.sql" {
			return b
		}
		// pg_dump before 9.6.8 and 10.3 sets the path and names no schema.
		text := strings.ReplaceAll(string(b), "SELECT pg_catalog.set_config('search_path', '', false);", "SET search_path = public, pg_catalog;")
		return []byte(strings.ReplaceAll(text, "COPY public.ir_", "COPY ir_"))
	}
	for name, tc := range map[string]struct {
		change func(string, []byte) []byte
		want   string
	}{
		"whole":        {func(_ string, b []byte) []byte { return b }, ""},
		"old style":    {oldStyle, ""},
		"no base":      {func(_ string, b []byte) []byte { return bytes.ReplaceAll(b, []byte("\tbase\t"), []byte("\tbase_\t")) }, "no installed module base"},
		"module":       {replaceIn("manifest.json", `"web": "18.0.1.0"`, `"web": "18.0.9.9"`), "web is 18.0.1.0 instead of 18.0.9.9"},
		"manifest":     {replaceIn("manifest.json", `"major_version": "18.0"`, `"major_version": "17.0"`), "17.0"},
		"file missing": {without("filestore/1c/"), "1 of the 9 files"},
		"trailer":      {replaceIn("dump.sql", sqldump.Trailer, "--"), "cut off"},
		"no manifest":  {without("manifest.json"), ""},
		"no files":     {without("filestore/"), ""},
	} {
		file := rebuild(t, tc.change)
		_, verr := Verify(ctx, file, VerifyOptions{OdooMajor: 18})
		_, rerr := s.Restore(ctx, RestoreOptions{File: file, Database: "judged", OdooMajor: 18})
		for who, err := range map[string]error{"verify": verr, "restore": rerr} {
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: %s: %v", name, who, err)
			}
		}
	}
}

// TestInserts reads what pg_dump --inserts and its relatives write.
func TestInserts(t *testing.T) {
	c := newContent()
	c.stored.has = (&archive.Archive{}).Has
	for _, stmt := range []string{
		`SELECT pg_catalog.set_config('search_path', '', false);`,
		`CREATE TABLE public.ir_module_module (id integer NOT NULL, name character varying, state character varying(16) DEFAULT 'x,y'::character varying, latest_version character varying, CONSTRAINT c CHECK ((id > 0)));`,
		`CREATE TABLE public.ir_attachment (id integer, store_fname character varying);`,
		`INSERT INTO public.ir_module_module VALUES (1, 'base', 'installed', '18.0.1.3');`,
		`INSERT INTO public.ir_module_module (latest_version, state, name) VALUES ('1.0', 'installed', 'it''s'), (NULL, 'uninstalled', 'no');`,
		`INSERT INTO public.ir_attachment VALUES (1, 'ab/cd'), (2, NULL), (3, E'x\\y'), ((4), 'ab/cd') ON CONFLICT DO NOTHING;`,
		`INSERT INTO other.ir_module_module VALUES (1, 'sale', 'installed', '1');`,
		`INSERT INTO public."values" VALUES (1);`,
	} {
		c.statement([]byte(stmt))
	}
	f, err := c.facts()
	if err != nil || f.base != "18.0.1.3" || len(f.modules) != 2 || f.modules["it's"] != "1.0" || f.stored != 2 || f.missing != 2 {
		t.Errorf("%+v, %v", f, err)
	}
	if c.rows != 9 || c.tables != 4 {
		t.Errorf("%d rows in %d tables", c.rows, c.tables)
	}
}
