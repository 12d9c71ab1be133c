package create_test

import (
	"context"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/odoodb/create"
	"github.com/odpm/odpm/host/odoodb/drop"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
)

func TestMain(m *testing.M) { odoodbtest.Main(m) }

var ctx = context.Background()

func TestCreate(t *testing.T) {
	s := odoodbtest.NewServer(t)
	const db = `neu "ü" $1`
	if err := create.Empty(ctx, s, db, create.Options{Unaccent: true}); err != nil {
		t.Fatal(err)
	}
	got := odoodbtest.Value[string](t, s, db, `SELECT concat_ws(' ', pg_encoding_to_char(encoding), datcollate, datistemplate, pg_get_userbyid(datdba) = $1) FROM pg_database WHERE datname = current_database()`, s.AppRole)
	if got != "UTF8 C f t" {
		t.Errorf("created as %s", got)
	}
	// What Odoo does with it, as a role that is no superuser.
	odoodbtest.MustApp(t, s, db, `CREATE TABLE t (n text)`, `CREATE INDEX ON t USING gin (unaccent(n) gin_trgm_ops)`)
	if err := create.Empty(ctx, s, db, create.Options{}); !create.IsExists(err) {
		t.Errorf("a second time: %v", err)
	}
	for _, bad := range []string{"", "postgres", "template1", strings.Repeat("ä", 32), "a/b", "..", "a\nb", "odpm_0123456789abcdef"} {
		if err := create.Empty(ctx, s, bad, create.Options{}); err == nil {
			t.Errorf("name %q was accepted", bad)
		}
	}
	for _, theirs := range []string{"postgres", "template0", "template1"} {
		_, dropped := drop.Database(ctx, s, theirs)
		for _, err := range []error{create.Empty(ctx, s, theirs, create.Options{}), dropped} {
			if err == nil || !strings.Contains(err.Error(), "belongs to PostgreSQL itself") {
				t.Errorf("%s: %v", theirs, err)
			}
		}
	}
}
