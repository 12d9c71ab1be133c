package sqldump

import (
	"fmt"
	"slices"
	"strings"
)

// Verdict says what to do with a statement.
type Verdict struct {
	// Drop: the statement is left out. Warn says so in a sentence, if a person
	// should know; Kind and Name are what is left out ("policy", "t.ro").
	Drop             bool
	Kind, Name, Warn string
	// Instead is run in its place, "" for the statement itself.
	Instead string
	// Later: it is about the owner and runs as him, when everything else has.
	Later bool
}

// leave leaves a statement out, for a reason that a person should know.
func leave(kind, name, why string) Verdict {
	return Verdict{Drop: true, Kind: kind, Name: name, Warn: sentence(kind, name, why)}
}

func sentence(kind, name, why string) string {
	if name == "" {
		return fmt.Sprintf("%s: left out: %s", kind, why)
	}
	return fmt.Sprintf("%s %q was left out: %s", kind, name, why)
}

// Policy decides about statements by what is known of the server before it is
// asked. What only the server can say is a matter of Loss.
type Policy struct {
	// ServerMajor is the target's major.
	ServerMajor int
	// Owner is the role that everything belongs to in the end. The dump runs as
	// another one, which is no superuser.
	Owner string
	// HasRole says whether a role exists on the target.
	HasRole func(string) bool
	// HasTablespace says whether a tablespace may be used; nil is for any.
	HasTablespace func(string) bool
	// Extensions that are not made, each with the reason; Schemas are there already.
	Extensions map[string]string
	Schemas    map[string]bool
}

// Judge decides about one statement.
func (p Policy) Judge(stmt []byte) Verdict {
	t := Tokens(stmt, 12)
	switch {
	case has(t, "comment", "on", "extension"), has(t, "comment", "on", "schema", "public"):
		// Only their owner may, and that is the administrator.
		return Verdict{Drop: true}
	case has(t, "create", "schema"):
		if s, _ := name(t[2:]); s == "public" || p.Schemas[s] {
			return Verdict{Drop: true}
		}
	case has(t, "drop", "extension"), has(t, "drop", "schema", "public"), has(t, "drop", "schema", "if", "exists", "public"):
		// Those are there before the dump runs, and were made for it.
		return Verdict{Drop: true}
	case has(t, "comment", "on", "database"):
		// pg_dump up to 10 writes it, with the name of the database it dumped.
		return Verdict{Drop: true}
	case has(t, "set", "session", "authorization"), has(t, "set", "role"), has(t, "reset", "role"), has(t, "reset", "session", "authorization"):
		// Everything that is restored belongs to the application role.
		return Verdict{Drop: true}
	case has(t, "set", "default_tablespace"):
		return p.judgeTablespace(t)
	case t0(t) == "alter" && ownerTo(stmt):
		return Verdict{Drop: true}
	case p.ServerMajor < 15 && (has(t, "grant", "all", "on", "schema", "public", "to", "public", ";") ||
		has(t, "revoke", "all", "on", "schema", "public", "from", "public", ";") || has(t, "revoke", "usage", "on", "schema", "public", "from", "public", ";")):
		// The schema is the administrator's before 15, and PUBLIC has all of it, which
		// pg_dump says in two steps.
		return Verdict{Drop: true}
	case t0(t) == "grant", t0(t) == "revoke":
		return p.judgeGrant(stmt)
	case has(t, "alter", "default", "privileges"):
		return p.judgeDefault(stmt)
	case has(t, "create", "policy"), has(t, "alter", "policy"):
		return p.judgePolicy(stmt)
	case forces(t) != "":
		// Policies would hide rows from the role that loads and proves them, too: it is
		// the owner meanwhile.
		return Verdict{Later: true}
	case has(t, "create", "extension"):
		ext, _, _ := Extension(stmt)
		if why := p.Extensions[ext]; why != "" {
			return leave("extension", ext, why)
		}
	}
	if v, found := superuserOnly(t); found {
		return v
	}
	return p.judgeVersion(stmt, t)
}

func t0(t []string) string {
	if len(t) == 0 {
		return ""
	}
	return t[0]
}

func has(t []string, want ...string) bool {
	if len(t) < len(want) {
		return false
	}
	for i, w := range want {
		if unquoteSimple(t[i]) != w {
			return false
		}
	}
	return true
}

// unquoteSimple lets "public" be public.
func unquoteSimple(t string) string {
	if u := unquote(t); u != t && u == strings.ToLower(u) {
		return u
	}
	return t
}

// ownerTo recognises ALTER … OWNER TO role; by its end.
func ownerTo(stmt []byte) bool {
	t := Tokens(stmt, 1<<16)
	n := len(t)
	return n >= 5 && t[n-1] == ";" && isIdent(t[n-2]) && t[n-3] == "to" && t[n-4] == "owner"
}

// judgeGrant leaves out privileges of roles that are not here: Odoo's own dump
// carries them, and a missing read-only role must not make a backup useless.
func (p Policy) judgeGrant(stmt []byte) Verdict {
	t := Tokens(stmt, 1<<16)
	var roles []string
	for i, w := range t {
		if i == 0 || i+1 >= len(t) {
			continue
		}
		// GRANT … TO r, …; REVOKE … FROM r, …; ALTER DEFAULT PRIVILEGES FOR ROLE r …
		if w == "to" || w == "from" || w == "role" && t[i-1] == "for" {
			for j := i + 1; j < len(t) && isIdent(t[j]); j += 2 {
				if t[j] != "public" {
					roles = append(roles, unquote(t[j]))
				}
				if j+1 >= len(t) || t[j+1] != "," {
					break
				}
			}
		}
	}
	for _, r := range roles {
		if p.HasRole != nil && !p.HasRole(r) {
			return Verdict{Drop: true, Kind: "privileges", Name: r, Warn: fmt.Sprintf("privileges of role %q were left out: there is no such role on this server", r)}
		}
	}
	if object := grantObject(t); strings.Contains(object, "pg_catalog.") {
		return Verdict{Drop: true, Kind: "privileges", Name: object, Warn: fmt.Sprintf("privileges on %s were left out: only a superuser may change privileges on PostgreSQL's own objects", object)}
	}
	return p.withoutNewPrivileges(stmt)
}

// judgeTablespace puts what was in a tablespace that the role may not use into the
// default one. The setting holds until the next one, so it is changed and not left out.
func (p Policy) judgeTablespace(t []string) Verdict {
	n := strings.Trim(unquote(at(t, 3)), "'")
	if n == "" || n == ";" || p.HasTablespace == nil || p.HasTablespace(n) {
		return Verdict{}
	}
	return Verdict{Instead: "SET default_tablespace = '';", Kind: "tablespace", Name: n,
		Warn: fmt.Sprintf("what was in the tablespace %q was restored into the database's default one: there is no such tablespace on this server, or role %q may not use it (GRANT CREATE ON TABLESPACE allows it)", n, p.Owner)}
}

// judgePolicy leaves roles that do not exist out of a policy, and the policy with
// the last of them: a policy of nobody would be one of everybody.
func (p Policy) judgePolicy(stmt []byte) Verdict {
	w := words(stmt, 1<<16)
	t := make([]string, len(w))
	for i := range w {
		t[i] = w[i].text
	}
	object, rest := name(t[2:])
	table, _ := name(rest[min(1, len(rest)):])
	i := slices.Index(t, "to")
	if i < 0 || p.HasRole == nil {
		return Verdict{}
	}
	var missing, kept []string
	end := i + 1
	for j := i + 1; j < len(t) && isIdent(t[j]); j += 2 {
		role := string(stmt[w[j].from:w[j].to])
		if n := unquote(t[j]); t[j] == "public" || t[j] == "current_user" || t[j] == "session_user" || t[j] == "current_role" || p.HasRole(n) {
			kept = append(kept, role)
		} else {
			missing = append(missing, n)
		}
		if end = j + 1; at(t, j+1) != "," {
			break
		}
	}
	if len(missing) == 0 {
		return Verdict{}
	}
	v := leave("policy", object, fmt.Sprintf("it is for role %q, which does not exist on this server (table %s)", missing[0], dotted(table)))
	if len(kept) > 0 {
		v.Drop = false
		v.Instead = string(stmt[:w[i].to]) + " " + strings.Join(kept, ", ") + string(stmt[w[end-1].to:])
		v.Warn = fmt.Sprintf("policy %q on table %s was restored without role %q, which does not exist on this server", object, dotted(table), missing[0])
	}
	return v
}

// forces is the table of ALTER TABLE … FORCE ROW LEVEL SECURITY, "" for any other
// statement.
func forces(t []string) string {
	if !has(t, "alter", "table") {
		return ""
	}
	t = t[2:]
	if t0(t) == "only" {
		t = t[1:]
	}
	table, rest := name(t)
	if !slices.Equal(rest, []string{"force", "row", "level", "security", ";"}) {
		return ""
	}
	return dotted(table)
}

// OfOwner names what a statement for the owner (Verdict.Later) is about.
func OfOwner(stmt []byte) (kind, object string) {
	if table := forces(Tokens(stmt, 12)); table != "" {
		return "forced row security of table", table
	}
	return "default privileges", ""
}

// dotted is a name as people write it.
func dotted(n string) string { return strings.ReplaceAll(n, "\x00", ".") }

// judgeDefault keeps what is said about the owner's objects to come; those of
// other roles are not the archive's business.
func (p Policy) judgeDefault(stmt []byte) Verdict {
	t := Tokens(stmt, 1<<16)
	for i, w := range t {
		if w != "for" || !slices.Contains([]string{"role", "user"}, at(t, i+1)) {
			continue
		}
		for j := i + 2; j < len(t) && isIdent(t[j]); j += 2 {
			if role := unquote(t[j]); role != p.Owner {
				return Verdict{Drop: true, Kind: "default privileges", Name: role, Warn: fmt.Sprintf("default privileges of role %q were left out: everything restored belongs to role %q", role, p.Owner)}
			}
			if at(t, j+1) != "," {
				break
			}
		}
		break
	}
	v := p.judgeGrant(stmt)
	v.Later = !v.Drop
	return v
}

// Setting says whether a statement sets a session parameter that every
// connection of a restore needs.
func Setting(stmt []byte) bool {
	t := Tokens(stmt, 5)
	if has(t, "select", "pg_catalog", ".", "set_config") {
		return true
	}
	return len(t) >= 3 && t[0] == "set" && isIdent(t[1]) && (t[2] == "=" || t[2] == "to") && t[1] != "local"
}

// CreatesTable tells an ordinary table's definition.
func CreatesTable(stmt []byte) bool {
	return may(stmt, "cre") && has(Tokens(stmt, 2), "create", "table")
}

// Extension gives the name in CREATE EXTENSION, and the schema ("" if unsaid).
func Extension(stmt []byte) (ext, schema string, ok bool) {
	if !may(stmt, "cre") {
		return "", "", false
	}
	t := Tokens(stmt, 12)
	if !has(t, "create", "extension") {
		return "", "", false
	}
	t = t[2:]
	if has(t, "if", "not", "exists") {
		t = t[3:]
	}
	if len(t) == 0 || !isIdent(t[0]) {
		return "", "", false
	}
	ext, t = unquote(t[0]), t[1:]
	if len(t) > 0 && t[0] == "with" {
		t = t[1:]
	}
	if len(t) > 1 && t[0] == "schema" {
		schema = unquote(t[1])
	}
	return ext, schema, true
}
