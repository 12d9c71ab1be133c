package swap

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/quote"
)

// copySettings gives a new database what somebody set on the old one: ALTER
// DATABASE … SET, per role too, privileges, connection limit and comment. None
// of it is in a dump, and a swap that lost it would be a change nobody asked for.
func copySettings(ctx context.Context, c *cluster.Session, from server.Info, to, toOwner string) error {
	stmts, err := settingStatements(ctx, c, from, to, toOwner)
	if err != nil {
		return fmt.Errorf("read the settings of the old database: %w", err)
	}
	for _, sql := range stmts {
		if _, err := c.Exec(ctx, sql); err != nil {
			return fmt.Errorf("copy the old database's settings: %w, in: %s", err, sql)
		}
	}
	return nil
}

func settingStatements(ctx context.Context, c *cluster.Session, from server.Info, to, toOwner string) ([]string, error) {
	var stmts []string
	db := quote.Ident(to)
	var limit int
	var comment *string
	err := c.QueryRow(ctx, `SELECT datconnlimit, pg_catalog.shobj_description(oid, 'pg_database'::pg_catalog.name)
		FROM pg_catalog.pg_database WHERE oid OPERATOR(pg_catalog.=) $1::pg_catalog.oid`, from.OID).Scan(&limit, &comment)
	if err != nil {
		return nil, err
	}
	if limit >= 0 {
		stmts = append(stmts, fmt.Sprintf(`ALTER DATABASE %s CONNECTION LIMIT %d`, db, limit))
	}
	if comment != nil {
		stmts = append(stmts, `COMMENT ON DATABASE `+db+` IS `+quote.Literal(*comment))
	}
	rows, err := c.Query(ctx, `SELECT coalesce(r.rolname::pg_catalog.text, ''::pg_catalog.text), s.setconfig FROM pg_catalog.pg_db_role_setting s
		LEFT JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) s.setrole
		WHERE s.setdatabase OPERATOR(pg_catalog.=) $1::pg_catalog.oid ORDER BY s.setrole`, from.OID)
	if err != nil {
		return nil, err
	}
	type setting struct {
		Role   string
		Config []string
	}
	settings, err := pgx.CollectRows(rows, pgx.RowToStructByPos[setting])
	if err != nil {
		return nil, err
	}
	for _, s := range settings {
		head := `ALTER DATABASE ` + db
		if s.Role != "" {
			head = `ALTER ROLE ` + quote.Ident(s.Role) + ` IN DATABASE ` + db
		}
		for _, kv := range s.Config {
			k, v, _ := strings.Cut(kv, "=")
			stmts = append(stmts, head+` SET `+cluster.SettingSQL(k, v))
		}
	}
	grants, err := grantStatements(ctx, c, from, to, toOwner)
	return append(stmts, grants...), err
}

// grantStatements says an ACL again. A NULL ACL is PostgreSQL's default, which
// a new database has.
func grantStatements(ctx context.Context, c *cluster.Session, from server.Info, to, toOwner string) ([]string, error) {
	var isDefault bool
	if err := c.QueryRow(ctx, `SELECT datacl IS NULL FROM pg_catalog.pg_database WHERE oid OPERATOR(pg_catalog.=) $1::pg_catalog.oid`, from.OID).Scan(&isDefault); err != nil || isDefault {
		return nil, err
	}
	rows, err := c.Query(ctx, `SELECT CASE WHEN a.grantee OPERATOR(pg_catalog.=) 0::pg_catalog.oid THEN ''::pg_catalog.text ELSE pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text END,
		a.privilege_type, a.is_grantable
		FROM pg_catalog.pg_database d, LATERAL pg_catalog.aclexplode(d.datacl) a WHERE d.oid OPERATOR(pg_catalog.=) $1::pg_catalog.oid`, from.OID)
	if err != nil {
		return nil, err
	}
	type grant struct {
		Role, Privilege string
		Grantable       bool
	}
	grants, err := pgx.CollectRows(rows, pgx.RowToStructByPos[grant])
	if err != nil {
		return nil, err
	}
	db := quote.Ident(to)
	stmts := []string{`REVOKE ALL ON DATABASE ` + db + ` FROM PUBLIC`, `REVOKE ALL ON DATABASE ` + db + ` FROM ` + quote.Ident(toOwner)}
	for _, g := range grants {
		role := "PUBLIC"
		switch g.Role {
		case "":
		case from.Owner:
			role = quote.Ident(toOwner)
		default:
			role = quote.Ident(g.Role)
		}
		sql := `GRANT ` + g.Privilege + ` ON DATABASE ` + db + ` TO ` + role
		if g.Grantable {
			sql += ` WITH GRANT OPTION`
		}
		stmts = append(stmts, sql)
	}
	return stmts, nil
}
