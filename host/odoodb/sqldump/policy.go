package sqldump

import (
	"fmt"
	"slices"
	"strings"
)

// Verdict says what to do with a statement.
type Verdict struct {
	// Drop: the statement is left out. Warn says why, if a person should know.
	Drop bool
	Warn string
	// Later: it is about the owner and runs as him, when everything else has.
	Later bool
}

// Policy decides about statements. The list of what is left out is short on
// purpose; everything else runs and any error ends the restore.
type Policy struct {
	// ServerMajor is the target's major.
	ServerMajor int
	// Owner is the role that everything belongs to in the end. The dump runs as
	// another one, which is no superuser.
	Owner string
	// HasRole says whether a role exists on the target.
	HasRole func(string) bool
}

// Judge decides about one statement.
func (p Policy) Judge(stmt []byte) Verdict {
	t := Tokens(stmt, 12)
	switch {
	case has(t, "set", "transaction_timeout") && p.ServerMajor < 17:
		// pg_dump 17 and 18 write it for older servers as well.
		return Verdict{Drop: true}
	case has(t, "comment", "on", "extension"), has(t, "comment", "on", "schema", "public"):
		// Only their owner may, and that is the administrator.
		return Verdict{Drop: true}
	case has(t, "create", "schema", "public"):
		return Verdict{Drop: true}
	case has(t, "comment", "on", "database"):
		// pg_dump up to 10 writes it, with the name of the database it dumped.
		return Verdict{Drop: true}
	case has(t, "set", "session", "authorization"), has(t, "set", "role"), has(t, "reset", "role"), has(t, "reset", "session", "authorization"):
		// Everything that is restored belongs to the application role.
		return Verdict{Drop: true}
	case t0(t) == "alter" && ownerTo(stmt):
		return Verdict{Drop: true}
	case t0(t) == "grant", t0(t) == "revoke":
		return p.judgeGrant(stmt)
	case has(t, "alter", "default", "privileges"):
		return p.judgeDefault(stmt)
	}
	v, _ := superuserOnly(t)
	return v
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
			return Verdict{Drop: true, Warn: fmt.Sprintf("privileges of role %q were left out: there is no such role on this server", r)}
		}
	}
	return Verdict{}
}

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
				return Verdict{Drop: true, Warn: fmt.Sprintf("default privileges of role %q were left out: everything belongs to role %q", role, p.Owner)}
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

// Extension gives the name in CREATE EXTENSION, and the schema ("" if unsaid).
func Extension(stmt []byte) (ext, schema string, ok bool) {
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

// PostKind says how a statement of a dump's last part may be run.
type PostKind int

const (
	// Alone: nothing else may run beside it.
	Alone PostKind = iota
	// Index shares its table with other indexes.
	Index
	// Key is a primary key or unique constraint: it has its table for itself.
	Key
	// ForeignKey has both of its tables for itself and needs their keys.
	ForeignKey
	// Remark is a COMMENT ON, which may wait until the end.
	Remark
)

// Post is what Classify finds.
type Post struct {
	Kind PostKind
	// Tables are the names of the tables that the statement locks.
	Tables []string
}

// Classify reads a statement of the part after the data.
func Classify(stmt []byte) Post {
	t := Tokens(stmt, 1<<12)
	switch {
	case has(t, "comment", "on"):
		return Post{Kind: Remark}
	case has(t, "create", "index"), has(t, "create", "unique", "index"):
		t = t[2:]
		if t[0] == "index" {
			t = t[1:]
		}
		if has(t, "concurrently") {
			return Post{}
		}
		if _, rest := name(t); has(rest, "on") {
			rest = rest[1:]
			if has(rest, "only") {
				// A partitioned table's index: its parts are attached later.
				return Post{}
			}
			if table, rest := name(rest); table != "" && len(rest) > 0 {
				return Post{Index, []string{table}}
			}
		}
	case has(t, "alter", "table", "only"):
		table, rest := name(t[3:])
		if table == "" || !has(rest, "add", "constraint") || len(rest) < 5 || !isIdent(rest[2]) {
			return Post{}
		}
		rest = rest[3:]
		switch {
		case has(rest, "primary", "key"), has(rest, "unique"):
			return Post{Key, []string{table}}
		case has(rest, "foreign", "key"):
			for i, w := range rest {
				if w == "references" {
					if other, _ := name(rest[i+1:]); other != "" {
						return Post{ForeignKey, []string{table, other}}
					}
				}
			}
		}
	}
	return Post{}
}
