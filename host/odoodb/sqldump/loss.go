package sqldump

import "slices"

// Loss says what a database would be without a statement.
type Loss int

const (
	// Essential is what has data, or keeps them right: tables, rows, sequences,
	// keys, indexes, views, triggers. Without it the restore has failed.
	Essential Loss = iota
	// Maker is what others may be built on, and what they are built on fails
	// without it: functions, types, extensions. It may be left out where the role
	// may not make it.
	Maker
	// Dependent is what may be left out as well where what it is built on was
	// left out, or is not on this server: aggregates, operators, casts, foreign tables,
	// text search.
	Dependent
	// Decoration changes no row and no result: privileges, comments, statistics,
	// publications, what tables are clustered on. It may fail for any reason.
	Decoration
)

// decorations of a table, after ALTER TABLE [ONLY] name.
var decorations = [][]string{
	{"cluster", "on"}, {"replica", "identity"}, {"set", "without", "cluster"},
}

// columnDecorations stand after ALTER [COLUMN] name.
var columnDecorations = []string{"statistics", "storage", "compression", "("}

var makers = []string{"function", "procedure", "type", "extension", "language", "collation", "domain"}

var dependents = []string{"aggregate", "operator", "cast", "conversion", "transform", "server", "policy"}

// LossOf reads a statement's first words. kind and object say what it makes, as
// SQL names it: "foreign table", "public.t".
func LossOf(stmt []byte) (l Loss, kind, object string) {
	t := Tokens(stmt, 1<<12)
	verb := t0(t)
	switch verb {
	case "grant", "revoke":
		return Decoration, "privileges", grantObject(t)
	case "security":
		kind, object = objectAfter(t, "on")
		return Decoration, "security label of " + kind, object
	case "comment":
		kind, object = objectAfter(t, "on")
		return Decoration, "comment on " + kind, object
	case "refresh":
		object, _ = name(t[min(3, len(t)):])
		return Essential, "rows of materialized view", dotted(object)
	case "select":
		if slices.ContainsFunc(t, restoresStatistics) {
			return Decoration, "planner statistics", ""
		}
		return Essential, "", ""
	case "create", "alter":
	default:
		return Essential, "", ""
	}
	t = t[1:]
	for _, skip := range []string{"or", "replace", "trusted", "procedural", "default"} {
		if t0(t) == skip && !has(t, "default", "privileges") {
			t = t[1:]
		}
	}
	two := func(a, b string) bool { return has(t, a, b) }
	l, kind, n := Essential, t0(t), 1
	switch {
	case two("default", "privileges"):
		return Decoration, "default privileges", ""
	case two("foreign", "table"), two("access", "method"), two("text", "search"), two("user", "mapping"):
		l, kind, n = Dependent, t[0]+" "+t[1], 2
		if kind == "text search" && len(t) > 2 {
			kind, n = kind+" "+t[2], 3
		}
	case has(t, "foreign", "data", "wrapper"):
		l, kind, n = Dependent, "foreign-data wrapper", 3
	case two("operator", "class"), two("operator", "family"):
		l, kind, n = Dependent, t[0]+" "+t[1], 2
	case two("operator", "("), kind == "operator":
		return Dependent, "operator", operatorName(t[1:])
	case kind == "publication", kind == "statistics":
		l = Decoration
	case kind == "table" || kind == "index" || two("materialized", "view"):
		if verb == "alter" && decorates(t) {
			l, kind, n = Decoration, "setting of "+kind, 1
		}
	case slices.Contains(makers, kind):
		l = Maker
	case slices.Contains(dependents, kind):
		l = Dependent
	}
	rest := t[min(n, len(t)):]
	for _, skip := range []string{"if", "not", "exists", "only"} {
		if t0(rest) == skip {
			rest = rest[1:]
		}
	}
	if kind == "cast" || kind == "user mapping" || kind == "transform" {
		rest = rest[min(1, len(rest)):]
	}
	object, _ = name(rest)
	return l, kind, dotted(object)
}

// decorates is about the tokens from TABLE, INDEX or MATERIALIZED VIEW on.
func decorates(t []string) bool {
	t = t[1:]
	for _, skip := range []string{"view", "if", "exists", "only"} {
		if t0(t) == skip {
			t = t[1:]
		}
	}
	_, rest := name(t)
	for _, d := range decorations {
		if has(rest, d...) {
			return true
		}
	}
	if t0(rest) != "alter" {
		return false
	}
	rest = rest[1:]
	if t0(rest) == "column" {
		rest = rest[1:]
	}
	// ALTER COLUMN c SET STATISTICS, and an index's column is a number.
	return len(rest) > 2 && rest[1] == "set" && slices.Contains(columnDecorations, rest[2])
}

// grantObject is what a GRANT is about: "function public.f", "table t".
func grantObject(t []string) string {
	kind, object := objectAfter(t, "on")
	switch kind {
	case "table", "function", "schema", "sequence", "type", "domain", "language", "procedure", "large":
		return kind + " " + object
	}
	return object
}

// objectAfter reads KIND name after a word.
func objectAfter(t []string, word string) (kind, object string) {
	i := slices.Index(t, word)
	if i < 0 {
		return "", ""
	}
	t = t[i+1:]
	for len(t) > 1 && isIdent(t[0]) && isIdent(t[1]) && !slices.Contains([]string{"to", "from", "is", "on"}, t[1]) {
		if kind != "" {
			kind += " "
		}
		kind, t = kind+t[0], t[1:]
	}
	n, _ := name(t)
	return kind, dotted(n)
}

// operatorName is schema and sign.
func operatorName(t []string) (s string) {
	for _, w := range t {
		if w == "(" {
			break
		}
		s += unquote(w)
	}
	return s
}

// Constraint gives the name and the table of what rows can break: a key, a
// foreign key, a check, a unique index.
func Constraint(stmt []byte) (constraint, table string, ok bool) {
	t := Tokens(stmt, 1<<8)
	switch {
	case has(t, "create", "unique", "index"):
		n, rest := name(t[3:])
		if has(rest, "on") {
			rest = rest[1:]
			if has(rest, "only") {
				rest = rest[1:]
			}
			table, _ = name(rest)
		}
		return dotted(n), dotted(table), n != "" && table != ""
	case has(t, "alter", "table"):
		t = t[2:]
		if has(t, "only") {
			t = t[1:]
		}
		table, rest := name(t)
		if !has(rest, "add", "constraint") {
			return "", "", false
		}
		n, _ := name(rest[2:])
		return dotted(n), dotted(table), n != ""
	}
	return "", "", false
}
