package legacy

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Snapshot is all that belongs to roles and databases, a line each, by a key
// that begins with what it is about: "role odoo", "member odoo of readers".
type Snapshot map[string]string

// snapshot reads the catalogs by columns, as they are in every major. A
// change to a role shows in one line, one to its rights elsewhere in others.
func snapshot(ctx context.Context, conn *pgx.Conn) (Snapshot, error) {
	out := Snapshot{}
	for _, q := range []string{
		`SELECT 'role ' || rolname, to_jsonb(a)::text FROM pg_authid a`,
		`SELECT 'member ' || u.rolname || ' of ' || g.rolname, (to_jsonb(m) - 'oid')::text FROM pg_auth_members m JOIN pg_authid g ON g.oid = roleid JOIN pg_authid u ON u.oid = member`,
		`SELECT 'setting ' || coalesce(r.rolname, '') || ' in ' || coalesce(d.datname, ''), setconfig::text FROM pg_db_role_setting LEFT JOIN pg_authid r ON r.oid = setrole LEFT JOIN pg_database d ON d.oid = setdatabase`,
		`SELECT 'database ' || datname, (to_jsonb(d) - 'datfrozenxid' - 'datminmxid' - 'datlastsysoid')::text || ' owner ' || pg_get_userbyid(datdba) FROM pg_database d`,
		`SELECT 'tablespace ' || spcname, to_jsonb(t)::text FROM pg_tablespace t`,
		`SELECT 'comment ' || objoid || '.' || classoid, description FROM pg_shdescription`,
		`SELECT 'owned by ' || refobjid::regrole, count(*)::text FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass GROUP BY refobjid`,
	} {
		rows, err := conn.Query(ctx, q)
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			var k, v string
			if err := rows.Scan(&k, &v); err != nil {
				return nil, err
			}
			out[k] = v
		}
		if err := rows.Err(); err != nil {
			return nil, fmt.Errorf("%s: %w", q, err)
		}
	}
	return out, nil
}

// Snapshot reads the cluster now, on a superuser's connection.
func (c *Cluster) Snapshot(ctx context.Context, conn *pgx.Conn) (Snapshot, error) {
	return snapshot(ctx, conn)
}

// Diff lists the keys that differ.
func (s Snapshot) Diff(later Snapshot) []string {
	var out []string
	for k, v := range s {
		if w, ok := later[k]; !ok || w != v {
			out = append(out, k)
		}
	}
	for k := range later {
		if _, ok := s[k]; !ok {
			out = append(out, k)
		}
	}
	sort.Strings(out)
	return out
}

// Roles keeps the keys of Diff that are not about the named roles' own line.
func Unannounced(diff []string, roles ...string) []string {
	var out []string
	for _, k := range diff {
		announced := false
		for _, r := range roles {
			announced = announced || k == "role "+r
		}
		if !announced {
			out = append(out, k)
		}
	}
	return out
}

// String is for failures.
func (s Snapshot) String() string {
	var lines []string
	for k, v := range s {
		lines = append(lines, k+": "+v)
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}
