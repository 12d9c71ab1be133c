package sqldump

import (
	"bytes"
	"slices"
)

// Roles and databases belong to the whole cluster, and the application role
// owns every Odoo database of it: `DROP DATABASE prod` in a restored dump is a
// statement like any other to PostgreSQL. pg_dump writes nothing of this kind
// but about the database that it dumped (see create.go), so it is refused and not
// left out: who put it there wanted something else than a restore.
var clusterObjects = []string{"database", "role", "user", "group", "tablespace", "system", "owned"}

// beyond says whether a statement reaches out of the database that is restored,
// or hides what it does from this reader.
func beyond(stmt []byte) bool {
	if !may(stmt, "cre", "alt", "dro", "rea", "do ", "loa", "pre", "gra", "rev", "sec") {
		return false
	}
	t := Tokens(stmt, 3)
	switch t0(t) {
	case "create", "alter", "drop":
		return len(t) > 1 && slices.Contains(clusterObjects, t[1]) && !has(t[1:], "user", "mapping")
	case "reassign", "do", "load", "prepare":
		return true
	case "grant", "revoke":
		return grantsBeyond(Tokens(stmt, 1<<16))
	case "security":
		i := slices.Index(Tokens(stmt, 1<<16), "on")
		return i >= 0 && slices.Contains(clusterObjects, at(Tokens(stmt, 1<<16), i+1))
	}
	return false
}

// grantsBeyond tells memberships in roles (GRANT a TO b has no ON) and
// privileges on what is not in the database.
func grantsBeyond(t []string) bool {
	for i, w := range t {
		switch w {
		case "on":
			return slices.Contains([]string{"database", "tablespace", "parameter"}, at(t, i+1))
		case "to", "from":
			return true
		}
	}
	return false
}

func at(t []string, i int) string {
	if i < len(t) {
		return t[i]
	}
	return ""
}

// bom is the mark that psql skips at the start of a script, and nobody else does.
var bom = []byte("\xef\xbb\xbf")

func startsWithBOM(stmt []byte) bool { return bytes.HasPrefix(stmt, bom) }
