package odoodb

import (
	"context"
	"fmt"
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

// needed reads a dump's statements with the policy of a restore, on a server that
// has everything.
type needed struct {
	policy                         sqldump.Policy
	extensions, roles, tablespaces map[string]bool
	// made are the extensions as they are created.
	made []extension
	left []load.Omission
	said map[string]bool
}

// newNeeded: owner is the application role, "" where it is not known.
func newNeeded(owner string) *needed {
	n := &needed{extensions: map[string]bool{}, roles: map[string]bool{}, tablespaces: map[string]bool{}, said: map[string]bool{}}
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

// statement is one whose first word is given.
func (n *needed) statement(word string, stmt []byte) {
	switch word {
	case "create", "alter", "grant", "revoke", "set", "comment":
	default:
		return
	}
	if name, schema, ok := sqldump.Extension(stmt); ok && name != "plpgsql" && !n.extensions[name] && len(n.made) < maxNeeds {
		n.extensions[name] = true
		n.made = append(n.made, extension{name, schema})
	}
	v := n.policy.Judge(stmt)
	if v.Warn == "" || v.Kind == "default privileges" && n.policy.Owner == "" || n.said[v.Warn] || len(n.left) >= maxNeeds {
		return
	}
	n.said[v.Warn] = true
	n.left = append(n.left, load.Omission{Kind: v.Kind, Name: v.Name, Text: v.Warn})
}

// needs is what came of it.
func (n *needed) needs() Needs {
	sorted := func(m map[string]bool) []string { return slices.Sorted(maps.Keys(m)) }
	roles := maps.Clone(n.roles)
	delete(roles, n.policy.Owner)
	return Needs{Extensions: sorted(n.extensions), Roles: sorted(roles), Tablespaces: sorted(n.tablespaces), LeftOut: n.left}
}

// restorable says at the end of a backup what a restore of it leaves out on this
// server, by the plan that a restore makes.
func (b *backup) restorable(ctx context.Context, n *needed) error {
	b.res.Needs = n.needs()
	c, err := b.s.admin(ctx, maintenance)
	if err != nil {
		return err
	}
	defer closeConn(c)
	major, err := serverMajor(ctx, c)
	if err != nil {
		return err
	}
	has, err := extensionsOf(ctx, c, major)
	if err != nil {
		return err
	}
	left := slices.Clone(b.res.Needs.LeftOut)
	plan := has.plan(n.made, nil)
	for _, name := range slices.Sorted(maps.Keys(plan.leave)) {
		left = append(left, load.Omission{Kind: "extension", Name: name, Text: fmt.Sprintf("extension %q was left out: %s", name, plan.leave[name])})
	}
	usable, err := usableTablespaces(ctx, c, b.s.AppRole)
	if err != nil {
		return err
	}
	for _, name := range b.res.Needs.Tablespaces {
		if !usable[name] {
			left = append(left, load.Omission{Kind: "tablespace", Name: name, Text: fmt.Sprintf("role %q may not use the tablespace %q: the tables in it go into the database's own (GRANT CREATE ON TABLESPACE)", b.s.AppRole, name)})
		}
	}
	b.res.LeftOut = left
	return nil
}
