package restore

import (
	"context"

	"github.com/odpm/odpm/host/odoodb/tables"
)

// sortings are how two databases sort text: the locale of ICU or of PostgreSQL itself
// where the database has one (their columns have other names from 17 on), else the C
// library's.
const sortings = `SELECT CASE WHEN pg_catalog.jsonb_extract_path_text(j, 'datlocprovider') OPERATOR(pg_catalog.=) ANY (ARRAY['i', 'b']::pg_catalog.text[])
		THEN coalesce(pg_catalog.jsonb_extract_path_text(j, 'datlocale'), pg_catalog.jsonb_extract_path_text(j, 'daticulocale'), ''::pg_catalog.text)
		ELSE pg_catalog.jsonb_extract_path_text(j, 'datcollate') END
	FROM (SELECT d.oid, pg_catalog.to_jsonb(d) AS j FROM pg_catalog.pg_database d WHERE d.oid OPERATOR(pg_catalog.=) ANY (ARRAY[$1, $2]::pg_catalog.oid[])) x
	ORDER BY x.oid OPERATOR(pg_catalog.=) $2::pg_catalog.oid`

// compareSorting says where the restored database will sort names in another order than
// the one that it replaces. Odoo makes its databases with LC_COLLATE 'C', and so does
// a restore; somebody may have made the other one by hand.
func (r *restore) compareSorting(ctx context.Context) error {
	if r.plan.old.OID == 0 {
		return nil
	}
	s, err := tables.Collect(ctx, r.c, sortings, r.plan.old.OID, r.journal.NewOID)
	if err == nil && len(s) == 2 && s[0] != s[1] {
		r.rep.warn("the replaced database sorted text by the rules of %q, and the restored one sorts it by those of %q, as the databases that Odoo makes do", s[0], s[1])
	}
	return err
}
