package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// bootstrapOID is the role that initdb made.
const bootstrapOID = 10

// roles is what the cluster's catalogs say about its roles.
type roles struct {
	VersionNum         int    `json:"version"`
	Encoding           string `json:"encoding"`
	PasswordEncryption string `json:"password_encryption"`
	InRecovery         bool   `json:"in_recovery"`
	Roles              []role `json:"roles"`
	// Members and Settings are for the dump, and for what is reported.
	Members  []membership `json:"members"`
	Settings []setting    `json:"settings"`
	// ScramOnly: pg_hba.conf has a line for TCP that takes SCRAM alone.
	ScramOnly bool `json:"scram_only"`
	// Trusting are lines of pg_hba.conf that let anybody in over TCP, from
	// everywhere, without a password.
	Trusting []int `json:"trusting"`
	// Lesser: read without a superuser's rights, so that there are no
	// passwords in it.
	Lesser bool `json:"-"`
	// Proven: the application role has logged in with the project's password.
	Proven bool `json:"-"`
}

type role struct {
	OID         uint32 `json:"oid"`
	Name        string `json:"name"`
	Super       bool   `json:"super"`
	Inherit     bool   `json:"inherit"`
	CreateRole  bool   `json:"createrole"`
	CreateDB    bool   `json:"createdb"`
	Login       bool   `json:"login"`
	Replication bool   `json:"replication"`
	BypassRLS   bool   `json:"bypassrls"`
	ConnLimit   int    `json:"connlimit"`
	// Until is text as PostgreSQL writes it, "" for no limit.
	Until    string `json:"until"`
	Expired  bool   `json:"expired"`
	Password string `json:"password"`
}

type membership struct {
	Role    string `json:"role"`
	Member  string `json:"member"`
	Grantor string `json:"grantor"`
	Admin   bool   `json:"admin"`
	// Inherit and Set are nil before 16.
	Inherit *bool `json:"inherit"`
	Set     *bool `json:"set"`
}

type setting struct {
	Database string   `json:"database"`
	Role     string   `json:"role"`
	Config   []string `json:"config"`
}

// find gives a role by name.
func (r *roles) find(name string) *role {
	for i := range r.Roles {
		if r.Roles[i].Name == name {
			return &r.Roles[i]
		}
	}
	return nil
}

func (r *roles) major() int { return r.VersionNum / 10000 }

// admins are the superusers that may log in, but for one role.
func (r *roles) admins(except string) []string {
	var out []string
	for _, x := range r.Roles {
		if x.Super && x.Login && x.Name != except {
			out = append(out, x.Name)
		}
	}
	return out
}

func readRoles(ctx context.Context, conn *Session) (*roles, error) {
	var version int
	if err := conn.QueryRow(ctx, "SELECT pg_catalog.current_setting('server_version_num')::int").Scan(&version); err != nil {
		return nil, err
	}
	var text string
	if err := conn.QueryRow(ctx, rolesSQL(version)).Scan(&text); err != nil {
		return nil, fmt.Errorf("read the cluster's roles: %w", err)
	}
	return decodeRoles(text)
}

func decodeRoles(text string) (*roles, error) {
	r := &roles{}
	if err := json.Unmarshal([]byte(text), r); err != nil {
		return nil, fmt.Errorf("read the cluster's roles: %w", err)
	}
	if len(r.Roles) == 0 {
		return nil, fmt.Errorf("read the cluster's roles: the answer contains none")
	}
	return r, nil
}

// rolesSQL gives everything as one JSON text in one statement on one line,
// since single-user mode has no other way to hand over a result. Names that
// begin with pg_ are PostgreSQL's own.
func rolesSQL(version int) string {
	grant := "'inherit', NULL, 'set', NULL"
	if version >= 160000 {
		grant = "'inherit', m.inherit_option, 'set', m.set_option"
	}
	return strings.Join([]string{
		`SELECT pg_catalog.json_build_object(`,
		`'version', pg_catalog.current_setting('server_version_num')::int,`,
		`'encoding', pg_catalog.getdatabaseencoding(),`,
		`'password_encryption', pg_catalog.current_setting('password_encryption'),`,
		`'in_recovery', pg_catalog.pg_is_in_recovery(),`,
		`'scram_only', (SELECT coalesce(pg_catalog.bool_or(auth_method OPERATOR(pg_catalog.=) 'scram-sha-256'::pg_catalog.text), false)`,
		`FROM pg_catalog.pg_hba_file_rules WHERE pg_catalog.starts_with(type, 'host'::pg_catalog.text)),`,
		`'trusting', (SELECT coalesce(pg_catalog.json_agg(line_number ORDER BY line_number), '[]'::pg_catalog.json) FROM pg_catalog.pg_hba_file_rules`,
		`WHERE pg_catalog.starts_with(type, 'host'::pg_catalog.text) AND auth_method OPERATOR(pg_catalog.=) 'trust'::pg_catalog.text AND`,
		`(address OPERATOR(pg_catalog.=) ANY (ARRAY['all', 'samenet']::pg_catalog.text[]) OR netmask OPERATOR(pg_catalog.=) ANY (ARRAY['0.0.0.0', '::']::pg_catalog.text[]))),`,
		`'roles', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('oid', oid::pg_catalog.int8, 'name', rolname::pg_catalog.text, 'super', rolsuper,`,
		`'inherit', rolinherit, 'createrole', rolcreaterole, 'createdb', rolcreatedb, 'login', rolcanlogin, 'replication', rolreplication,`,
		`'bypassrls', rolbypassrls, 'connlimit', rolconnlimit, 'until',`,
		`coalesce(CASE WHEN rolvaliduntil OPERATOR(pg_catalog.<>) 'infinity'::pg_catalog.timestamptz THEN rolvaliduntil::pg_catalog.text END, ''::pg_catalog.text),`,
		`'expired', coalesce(rolvaliduntil OPERATOR(pg_catalog.<) pg_catalog.now(), false), 'password', coalesce(rolpassword, ''::pg_catalog.text)) ORDER BY oid)`,
		`FROM pg_catalog.pg_authid WHERE rolname OPERATOR(pg_catalog.!~) '^pg_'::pg_catalog.text),`,
		`'members', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('role', g.rolname::pg_catalog.text, 'member', u.rolname::pg_catalog.text,`,
		`'grantor', coalesce(b.rolname::pg_catalog.text, ''::pg_catalog.text), 'admin', m.admin_option, ` + grant + `) ORDER BY g.rolname, u.rolname), '[]'::pg_catalog.json)`,
		`FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_authid g ON g.oid OPERATOR(pg_catalog.=) m.roleid JOIN pg_catalog.pg_authid u ON u.oid OPERATOR(pg_catalog.=) m.member`,
		`LEFT JOIN pg_catalog.pg_authid b ON b.oid OPERATOR(pg_catalog.=) m.grantor WHERE u.rolname OPERATOR(pg_catalog.!~) '^pg_'::pg_catalog.text),`,
		`'settings', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('database', coalesce(d.datname::pg_catalog.text, ''::pg_catalog.text),`,
		`'role', a.rolname::pg_catalog.text, 'config', s.setconfig) ORDER BY a.rolname, d.datname), '[]'::pg_catalog.json)`,
		`FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_authid a ON a.oid OPERATOR(pg_catalog.=) s.setrole LEFT JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) s.setdatabase)`,
		`)::pg_catalog.text`,
	}, " ")
}

// memberOf lists what a role is a member of, through others too.
func (r *roles) memberOf(name string) []string {
	seen := []string{name}
	for i := 0; i < len(seen); i++ {
		for _, m := range r.Members {
			if m.Member == seen[i] && !slices.Contains(seen, m.Role) {
				seen = append(seen, m.Role)
			}
		}
	}
	return seen[1:]
}
