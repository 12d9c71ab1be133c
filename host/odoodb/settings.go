package odoodb

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// copySettings gives a new database what somebody set on the old one: ALTER
// DATABASE … SET, per role too, privileges, connection limit and comment. None
// of it is in a dump, and a swap that lost it would be a change nobody asked for.
func copySettings(ctx context.Context, c *pgx.Conn, from dbinfo, to, toOwner string) error {
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

func settingStatements(ctx context.Context, c *pgx.Conn, from dbinfo, to, toOwner string) ([]string, error) {
	var stmts []string
	db := ident(to)
	var limit int
	var comment *string
	err := c.QueryRow(ctx, `SELECT datconnlimit, pg_catalog.shobj_description(oid, 'pg_database')
		FROM pg_catalog.pg_database WHERE oid = $1`, from.OID).Scan(&limit, &comment)
	if err != nil {
		return nil, err
	}
	if limit >= 0 {
		stmts = append(stmts, fmt.Sprintf(`ALTER DATABASE %s CONNECTION LIMIT %d`, db, limit))
	}
	if comment != nil {
		stmts = append(stmts, `COMMENT ON DATABASE `+db+` IS `+literal(*comment))
	}
	rows, err := c.Query(ctx, `SELECT coalesce(r.rolname, ''), s.setconfig FROM pg_catalog.pg_db_role_setting s
		LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole WHERE s.setdatabase = $1 ORDER BY s.setrole`, from.OID)
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
			head = `ALTER ROLE ` + ident(s.Role) + ` IN DATABASE ` + db
		}
		for _, kv := range s.Config {
			k, v, _ := strings.Cut(kv, "=")
			stmts = append(stmts, head+` SET `+parameterName(k)+` TO `+parameterValue(k, v))
		}
	}
	grants, err := grantStatements(ctx, c, from, to, toOwner)
	return append(stmts, grants...), err
}

// grantStatements says an ACL again. A NULL ACL is PostgreSQL's default, which
// a new database has.
func grantStatements(ctx context.Context, c *pgx.Conn, from dbinfo, to, toOwner string) ([]string, error) {
	var isDefault bool
	if err := c.QueryRow(ctx, `SELECT datacl IS NULL FROM pg_catalog.pg_database WHERE oid = $1`, from.OID).Scan(&isDefault); err != nil || isDefault {
		return nil, err
	}
	rows, err := c.Query(ctx, `SELECT CASE WHEN a.grantee = 0 THEN '' ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END, a.privilege_type, a.is_grantable
		FROM pg_catalog.pg_database d, LATERAL pg_catalog.aclexplode(d.datacl) a WHERE d.oid = $1`, from.OID)
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
	db := ident(to)
	stmts := []string{`REVOKE ALL ON DATABASE ` + db + ` FROM PUBLIC`, `REVOKE ALL ON DATABASE ` + db + ` FROM ` + ident(toOwner)}
	for _, g := range grants {
		role := "PUBLIC"
		switch g.Role {
		case "":
		case from.Owner:
			role = ident(toOwner)
		default:
			role = ident(g.Role)
		}
		sql := `GRANT ` + g.Privilege + ` ON DATABASE ` + db + ` TO ` + role
		if g.Grantable {
			sql += ` WITH GRANT OPTION`
		}
		stmts = append(stmts, sql)
	}
	return stmts, nil
}

// literal quotes a string whatever standard_conforming_strings says.
func literal(v string) string {
	q := `'` + strings.ReplaceAll(v, `'`, `''`) + `'`
	if strings.Contains(v, `\`) {
		return `E` + strings.ReplaceAll(q, `\`, `\\`)
	}
	return q
}

// parameterName quotes the parts of a custom parameter's name ("my.setting").
func parameterName(k string) string {
	parts := strings.Split(k, ".")
	for i, p := range parts {
		parts[i] = ident(p)
	}
	return strings.Join(parts, ".")
}

// listParameters hold quoted identifiers: their value is a list of literals,
// and one literal around it all would be one name (pg_dump's dumputils.c).
var listParameters = map[string]bool{
	"local_preload_libraries": true, "search_path": true, "session_preload_libraries": true,
	"shared_preload_libraries": true, "temp_tablespaces": true, "unix_socket_directories": true,
}

func parameterValue(k, v string) string {
	if !listParameters[strings.ToLower(k)] {
		return literal(v)
	}
	var parts []string
	for rest := strings.TrimSpace(v); rest != ""; {
		var part string
		if rest[0] == '"' {
			i := 1
			for i < len(rest) && (rest[i] != '"' || i+1 < len(rest) && rest[i+1] == '"') {
				if rest[i] == '"' {
					i++
				}
				i++
			}
			part = strings.ReplaceAll(rest[1:min(i, len(rest))], `""`, `"`)
			rest = rest[min(i+1, len(rest)):]
		} else if i := strings.IndexByte(rest, ','); i >= 0 {
			part, rest = strings.TrimSpace(rest[:i]), rest[i:]
		} else {
			part, rest = strings.TrimSpace(rest), ""
		}
		parts = append(parts, literal(part))
		rest = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(rest), ","))
	}
	if len(parts) == 0 {
		return `''`
	}
	return strings.Join(parts, ", ")
}
