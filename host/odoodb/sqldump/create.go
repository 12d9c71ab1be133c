package sqldump

import (
	"bytes"
	"slices"
	"strings"
)

// pg_dump --create writes statements about the database as a whole in front of what
// is in it, and a \connect: psql is to make it and go there. A restore has made the
// database that it loads into, so they are left out. They name one database; what
// names another one is refused as always.

// itself is the database that a dump makes.
type itself struct {
	// database is its name, "" for none.
	database string
	// line is where the first statement about it stands and text what it is, while
	// no \connect has followed.
	line int
	text string
	// settled: the statements at the beginning of the dump have passed.
	settled bool
}

// names says whether a statement that reaches beyond the database is about the one
// that the dump makes. Only the statements at the beginning of the dump give its name.
func (o *itself) names(stmt []byte, line int) bool {
	t := Tokens(stmt, 1<<12)
	named := ""
	switch {
	case has(t, "create", "database"), has(t, "drop", "database"), has(t, "alter", "database"):
		rest := t[2:]
		if has(rest, "if", "exists") {
			rest = rest[2:]
		}
		named, _ = name(rest)
		if o.database == "" && !o.settled && t0(t) != "alter" {
			o.database, o.line, o.text = named, line, string(stmt[:min(len(stmt), 200)])
		}
	case has(t, "alter", "role"), has(t, "alter", "user"): // … IN DATABASE name SET …
		if i := slices.Index(t, "in"); i > 0 && at(t, i+1) == "database" {
			named, _ = name(t[i+2:])
		}
	case slices.Contains([]string{"grant", "revoke", "security"}, t0(t)):
		if kind, object := objectAfter(t, "on"); kind == "database" {
			named = object
		}
	}
	return named != "" && named == o.database
}

// unmarks says whether a statement is the one with which pg_dump --clean --create
// lets a template be dropped (pg_dump.c, dumpDatabase).
func (o *itself) unmarks(stmt []byte) bool {
	return !o.settled && may(stmt, "upd") && has(Tokens(stmt, 8), "update", "pg_catalog", ".", "pg_database", "set", "datistemplate", "=", "false")
}

// connects says whether a line is the \connect of pg_dump --create
// (appendPsqlMetaConnect in fe_utils/string_utils.c).
func (o *itself) connects(line []byte) bool {
	to, ok := bytes.CutPrefix(line, []byte(`\connect `))
	if !ok || o.database == "" {
		return false
	}
	quoted := func(text string) string { return `"` + strings.ReplaceAll(text, `"`, `""`) + `"` }
	value := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(o.database)
	if !slices.Contains([]string{o.database, quoted(o.database), `-reuse-previous=on ` + quoted(`dbname='`+value+`'`)}, string(to)) {
		return false
	}
	o.line, o.text = 0, ""
	return true
}

// settle notes that what follows is in the database: SET and SELECT stand in front.
// Who drops or makes a database and does not go there wanted something else.
func (s *Scanner) settle(stmt []byte) error {
	if s.own.settled || stmt != nil && slices.Contains([]string{"set", "select"}, t0(Tokens(stmt, 1))) {
		return nil
	}
	if s.own.settled = true; s.own.line > 0 {
		return s.refuseBeyond(s.own.line, []byte(s.own.text))
	}
	return nil
}

func (s *Scanner) refuseBeyond(line int, stmt []byte) error {
	return s.refuse(line, "%.60q affects more than the database being restored, and pg_dump writes no such statement%s", stmt, distrusted)
}

// Removal says whether a statement only takes away: pg_dump --clean writes one for
// everything in the dump, in front of it.
func Removal(stmt []byte) bool {
	if !may(stmt, "dro", "alt", "sel") {
		return false
	}
	t := Tokens(stmt, 24)
	switch t0(t) {
	case "drop":
		return true
	case "select": // a large object
		return len(t) > 3 && slices.Contains(t[1:4], "lo_unlink")
	case "alter":
		i := slices.Index(t, "drop")
		return i > 0 && slices.Contains([]string{"constraint", "default", "identity", "expression"}, at(t, i+1))
	}
	return false
}

// Transaction is a statement that begins or ends one. pg_dump writes them around each
// large object, pg_restore --single-transaction around everything; tables that nobody
// else sees yet would keep rows from being loaded over several connections.
func Transaction(stmt []byte) bool {
	t := Tokens(stmt, 2)
	return len(t) > 0 && (slices.Contains([]string{"begin", "commit", "end"}, t[0]) || has(t, "start", "transaction"))
}
