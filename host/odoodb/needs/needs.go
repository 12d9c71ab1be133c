// Package needs says what a dump wants of the server that it is restored into, and what
// becomes of that on a server. Backup, verify and restore have it from here, so
// that each says what the others do.
package needs

import (
	"maps"
	"slices"
	"strings"

	"github.com/odpm/odpm/host/odoodb/load"
	"github.com/odpm/odpm/host/odoodb/sqldump"
)

// Needs is what a dump wants of the server that it is restored into, and what no
// restore takes over.
type Needs struct {
	// Extensions are those that it creates, Roles those that have privileges or are
	// in policies, Tablespaces those that it has tables in; sorted.
	Extensions, Roles, Tablespaces []string
	// LeftOut is left out on any server.
	LeftOut []load.Omission
}

// String is for a person, "" where any server will do.
func (n Needs) String() string {
	var parts []string
	for _, p := range []struct {
		what  string
		names []string
	}{{"extensions", n.Extensions}, {"roles", n.Roles}, {"tablespaces", n.Tablespaces}} {
		if len(p.names) > 0 {
			parts = append(parts, p.what+" "+strings.Join(p.names, ", "))
		}
	}
	return strings.Join(parts, "; ")
}

// maxNeeds bounds what is kept of a hostile dump.
const maxNeeds = 1000

// Reader reads a dump's statements with the policy of a restore, on a server that
// has everything.
type Reader struct {
	policy                         sqldump.Policy
	extensions, roles, tablespaces map[string]bool
	// Made are the extensions as they are created.
	Made []Extension
	left []load.Omission
	said map[string]bool
}

// New: owner is the application role, "" where it is not known.
func New(owner string) *Reader {
	n := &Reader{extensions: map[string]bool{}, roles: map[string]bool{}, tablespaces: map[string]bool{}, said: map[string]bool{}}
	note := func(to map[string]bool, name string) bool {
		if len(to) < maxNeeds {
			to[name] = true
		}
		return true
	}
	const newest = 1 << 10
	n.policy = sqldump.Policy{ServerMajor: newest, Owner: owner,
		HasRole: func(r string) bool { return note(n.roles, r) }, HasTablespace: func(t string) bool { return note(n.tablespaces, t) }}
	return n
}

// Statement is one whose first word is given.
func (n *Reader) Statement(word string, stmt []byte) {
	switch word {
	case "create", "alter", "grant", "revoke", "set", "comment":
	default:
		return
	}
	if name, schema, ok := sqldump.Extension(stmt); ok && name != "plpgsql" && !n.extensions[name] && len(n.Made) < maxNeeds {
		n.extensions[name] = true
		n.Made = append(n.Made, Extension{name, schema})
	}
	v := n.policy.Judge(stmt)
	if v.Warn == "" || v.Kind == "default privileges" && n.policy.Owner == "" || n.said[v.Warn] || len(n.left) >= maxNeeds {
		return
	}
	n.said[v.Warn] = true
	n.left = append(n.left, load.Omission{Kind: v.Kind, Name: v.Name, Text: v.Warn})
}

// Needs is what came of it.
func (n *Reader) Needs() Needs {
	sorted := func(m map[string]bool) []string { return slices.Sorted(maps.Keys(m)) }
	roles := maps.Clone(n.roles)
	delete(roles, n.policy.Owner)
	return Needs{Extensions: sorted(n.extensions), Roles: sorted(roles), Tablespaces: sorted(n.tablespaces), LeftOut: n.left}
}
