package cluster

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"

	"github.com/odpm/odpm/shared/pglogin"
	"github.com/odpm/odpm/shared/shell"

	"github.com/odpm/odpm/host/quote"
)

// hba is about pg_hba.conf, which only a superuser can read.
func (d *diagnostician) hba(ctx context.Context) error {
	rejected := d.client != nil && d.client.Reason == pglogin.HBARejected
	method := d.client != nil && d.client.Reason == pglogin.AuthMethod
	if !d.super {
		if rejected || method {
			d.is(CauseHBA, []string{d.sql("SELECT * FROM pg_catalog.pg_hba_file_rules")}, "pg_hba.conf does not let role %s connect to database %s from there; only a superuser can see which line", shown(d.role), shown(d.database))
		}
		return nil
	}
	rules, err := hbaRules(ctx, d.conn)
	if err != nil {
		return err
	}
	var file string
	if err := d.conn.QueryRow(ctx, `SELECT pg_catalog.current_setting('hba_file')`).Scan(&file); err != nil {
		return err
	}
	for _, r := range rules {
		if r.Error != nil && (rejected || method) {
			d.is(CauseHBA, []string{fmt.Sprintf("correct line %d of %s", r.Line, file), d.reload()}, "line %d of %s has an error, so the server keeps using its previous rules: %s", r.Line, file, *r.Error)
			return nil
		}
	}
	rule, sure, err := d.rule(ctx)
	if err != nil {
		return err
	}
	from := "from there"
	if d.client != nil {
		if a := clientAddress(d.client.Server); a.IsValid() {
			from = "from " + a.String()
		}
	}
	add := []string{d.first(file, d.proposal()), d.reload()}
	switch {
	case rule == nil:
		d.is(CauseHBA, add, "%s has no line for role %s, database %s, %s over TCP", file, shown(d.role), shown(d.database), from)
	case rule.Method != nil && *rule.Method == "reject" && (sure || rejected):
		d.is(CauseHBA, add, "line %d of %s rejects role %s, database %s, %s", rule.Line, file, shown(d.role), shown(d.database), from)
	case rule.Method != nil && !byPassword(*rule.Method) && *rule.Method != "reject" && (sure || method):
		d.is(CauseAuthMethod, add, "line %d of %s asks for %s, not a password, from role %s, database %s, %s", rule.Line, file, *rule.Method, shown(d.role), shown(d.database), from)
	case rejected:
		d.is(CauseHBA, []string{d.reload(), d.sql("SELECT * FROM pg_catalog.pg_hba_file_rules")}, "line %d of %s lets role %s in with %s, but the server still refuses: it has not reloaded the file since it was changed, or another line applies to the client's address", rule.Line, file, shown(d.role), deref(rule.Method))
	}
	return nil
}

// rule is the line of pg_hba.conf that the login meets.
func (d *diagnostician) rule(ctx context.Context) (*hbaRule, bool, error) {
	rules, err := hbaRules(ctx, d.conn)
	if err != nil {
		return nil, false, err
	}
	c := hbaClient{role: d.role, database: d.database}
	if d.client != nil {
		c.addr = clientAddress(d.client.Server)
		if host, _, err := net.SplitHostPort(d.client.Addr); err == nil && !c.addr.IsValid() && (host == "127.0.0.1" || host == "::1") && d.kind != "docker" {
			// The same machine, so the server sees the address that was dialled.
			c.addr = clientAddress(host)
		}
	}
	var ssl string
	if err := d.conn.QueryRow(ctx, `SELECT pg_catalog.current_setting('ssl')`).Scan(&ssl); err != nil {
		return nil, false, err
	}
	c.tls = ssl == "on"
	rows, err := d.conn.Query(ctx, `WITH RECURSIVE m(oid) AS (
			SELECT roleid FROM pg_catalog.pg_auth_members a JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) a.member WHERE r.rolname OPERATOR(pg_catalog.=) $1::pg_catalog.name
			UNION SELECT a.roleid FROM pg_catalog.pg_auth_members a JOIN m ON a.member OPERATOR(pg_catalog.=) m.oid)
		SELECT pg_catalog.pg_get_userbyid(oid)::pg_catalog.text FROM m`, d.role)
	if err != nil {
		return nil, false, err
	}
	for rows.Next() {
		var g string
		if err := rows.Scan(&g); err != nil {
			return nil, false, err
		}
		c.groups = append(c.groups, g)
	}
	if err := rows.Err(); err != nil {
		return nil, false, err
	}
	rule, sure := c.match(rules)
	return rule, sure, nil
}

// proposal is a line for pg_hba.conf. samenet is the server's own network,
// which a compose network is to it; its containers' addresses change.
func (d *diagnostician) proposal() string {
	return `host all "` + strings.ReplaceAll(d.role, `"`, `""`) + `" samenet scram-sha-256`
}

// first puts a line before all others of a file: PostgreSQL goes by the first one
// that fits.
func (d *diagnostician) first(file, line string) string {
	if !d.reach || d.kind != "docker" && runtime.GOOS != "linux" || strings.ContainsAny(line, "\\\n") {
		return "add as the first line of " + file + ": " + line
	}
	// As GNU's and BusyBox's sed have it.
	return d.asServer + "sed -i " + shell.Quote("1i "+line) + " " + shell.Quote(file)
}

func (d *diagnostician) reload() string { return d.sql("SELECT pg_catalog.pg_reload_conf()") }

// sql goes to the database that let us in.
func (d *diagnostician) sql(statement string) string {
	return d.sqlIn(d.conn.Config().Database, statement)
}

func (d *diagnostician) sqlIn(database, statement string) string {
	return d.psql + " -d " + database + " -c " + shell.Quote(statement)
}

// limits: role, database, server, in the order in which they are said to differ.
func (d *diagnostician) limits(ctx context.Context) error {
	var roleLimit, roleUsed, dbLimit, dbUsed, used, most, reserved int
	if d.facts == nil {
		return nil
	}
	err := d.conn.QueryRow(ctx, `SELECT r.rolconnlimit,
		(SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity
			WHERE usesysid OPERATOR(pg_catalog.=) r.oid AND backend_type OPERATOR(pg_catalog.=) 'client backend'::pg_catalog.text)::int,
		coalesce((SELECT datconnlimit FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) $2::pg_catalog.name), -1),
		(SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity
			WHERE datname OPERATOR(pg_catalog.=) $2::pg_catalog.name AND backend_type OPERATOR(pg_catalog.=) 'client backend'::pg_catalog.text)::int,
		(SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type OPERATOR(pg_catalog.=) 'client backend'::pg_catalog.text)::int,
		pg_catalog.current_setting('max_connections')::int, pg_catalog.current_setting('superuser_reserved_connections')::int
		FROM pg_catalog.pg_roles r WHERE r.oid OPERATOR(pg_catalog.=) $1::pg_catalog.oid`, d.facts.OID, d.database).
		Scan(&roleLimit, &roleUsed, &dbLimit, &dbUsed, &used, &most, &reserved)
	if err != nil {
		return err
	}
	told := d.client != nil && d.client.Reason == pglogin.TooManyConnections
	switch {
	case roleLimit == 0:
		d.is(CauseRoleLimit, []string{ensureCommand}, "role %s may have no connection at all (CONNECTION LIMIT 0)", shown(d.role))
	case roleLimit > 0 && roleUsed >= roleLimit && !d.facts.Superuser:
		d.is(CauseRoleLimit, []string{d.sql("ALTER ROLE " + quote.Ident(d.role) + " CONNECTION LIMIT -1")}, "role %s may have %d connections and is using all of them", shown(d.role), roleLimit)
	case dbLimit >= 0 && dbUsed >= dbLimit && !d.facts.Superuser:
		d.is(CauseDatabaseLimit, []string{d.sql("ALTER DATABASE " + quote.Ident(d.database) + " CONNECTION LIMIT -1")}, "database %s allows %d connections and has %d", shown(d.database), dbLimit, dbUsed)
	case used >= most-reserved || told:
		d.is(CauseTooMany, []string{d.sql("SELECT usename, datname, pg_catalog.count(*) FROM pg_catalog.pg_stat_activity GROUP BY 1, 2 ORDER BY 3 DESC")},
			"the server has %d of its %d connections in use, %d of them are kept for superusers; lower db_maxconn or workers in odoo.conf, or raise max_connections", used, most, reserved)
	}
	return nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
