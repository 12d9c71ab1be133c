package verify

import (
	"testing"

	"github.com/odpm/odpm/host/odoodb/archive"
)

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
	if err != nil || f.base != "18.0.1.3" || len(f.Modules) != 2 || f.Modules["it's"] != "1.0" || f.Stored != 2 || f.Missing != 2 {
		t.Errorf("%+v, %v", f, err)
	}
	if c.rows != 9 || c.tables != 4 {
		t.Errorf("%d rows in %d tables", c.rows, c.tables)
	}
}
