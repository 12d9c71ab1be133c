package drop

import (
	"context"

	"github.com/odpm/odpm/host/odoodb/tables"
)

// PreparedHolders names the prepared transactions of a database: neither a
// drop nor a rename is possible while there is one.
func PreparedHolders(ctx context.Context, q tables.Querier, database string) ([]string, error) {
	return tables.Collect(ctx, q, `SELECT pg_catalog.format('prepared transaction %L of role %I, prepared %s; end it with: ROLLBACK PREPARED %L;',
		gid, owner, pg_catalog.to_char(prepared, 'YYYY-MM-DD HH24:MI:SS TZ'::pg_catalog.text), gid)
		FROM pg_catalog.pg_prepared_xacts WHERE database OPERATOR(pg_catalog.=) $1::pg_catalog.name ORDER BY prepared`, database)
}

// Holders names everything that stands against dropping a database.
// An inactive logical slot is among it although PostgreSQL would not complain:
// it drops such a slot silently, and with it somebody's replication.
func Holders(ctx context.Context, q tables.Querier, database string) ([]string, error) {
	held, err := PreparedHolders(ctx, q, database)
	if err != nil {
		return nil, err
	}
	for _, sql := range []string{
		`SELECT pg_catalog.format('%s replication slot %L (plugin %s); if nobody needs it: SELECT pg_drop_replication_slot(%L);',
			CASE WHEN active THEN 'active' ELSE 'inactive' END, slot_name, plugin, slot_name)
			FROM pg_catalog.pg_replication_slots WHERE database OPERATOR(pg_catalog.=) $1::pg_catalog.name ORDER BY slot_name`,
		`SELECT pg_catalog.format('subscription %I; in that database: DROP SUBSCRIPTION %I;', subname, subname)
			FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) s.subdbid
			WHERE d.datname OPERATOR(pg_catalog.=) $1::pg_catalog.name ORDER BY subname`,
	} {
		more, err := tables.Collect(ctx, q, sql, database)
		if err != nil {
			return nil, err
		}
		held = append(held, more...)
	}
	return held, nil
}
