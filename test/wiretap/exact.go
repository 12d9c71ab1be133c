package wiretap

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Inexact says what in a superuser's statement could mean something that a
// database's owner has made: an operator, a function or a type without its
// schema, a table that is not the catalogs'. "" is nothing.
func Inexact(sql string) string {
	for stmt := range strings.SplitSeq(sql, ";\n") {
		if why := inexact(stmt); why != "" {
			return why
		}
	}
	return ""
}

var (
	word     = regexp.MustCompile(`(?i)[a-z_][a-z0-9_]*|"(?:[^"]|"")*"|[eE]?'(?:[^']|'')*'|\$[0-9]+|[0-9.]+|::|[-+*/<>=~!@#%^&|?]+|\S`)
	copyOut  = regexp.MustCompile(`^COPY (\w+|"(?:[^"]|"")*")\.(\w+|"(?:[^"]|"")*") \((?:"?\w+"?(?:, )?)+\) TO STDOUT$`)
	isName   = regexp.MustCompile(`(?i)^([a-z_][a-z0-9_]*|"(?:[^"]|"")*")$`)
	operator = regexp.MustCompile(`^[-+*/<>=~!@#%^&|?]+$`)

	// changes name what they change, and evaluate nothing.
	changes = []string{"alter", "create", "drop", "comment", "grant", "revoke", "reassign", "begin", "commit", "rollback", "set", "lock", ""}
	// builtIn are the grammar's own, before a bracket and behind "::".
	builtIn = []string{"coalesce", "exists", "any", "all", "array", "and", "or", "not", "where", "when", "then", "else", "as", "on", "from", "join", "select", "by", "lateral", "case"}
	types   = []string{"int", "bigint", "numeric", "boolean"}
	// compare have an operator in them that is looked up by its bare name.
	compare = []string{"in", "like", "ilike", "similar", "between", "nullif", "using", "natural", "overlaps"}
)

func inexact(stmt string) string {
	var t []string
	for _, w := range word.FindAllString(stmt, -1) {
		if isName.MatchString(w) && w[0] != '"' {
			w = strings.ToLower(w)
		}
		t = append(t, w)
	}
	at := func(i int) string {
		if i < 0 || i >= len(t) {
			return ""
		}
		return t[i]
	}
	if copyOut.MatchString(stmt) || slices.Contains(changes, at(0)) && !slices.Contains(t, "select") {
		for i, w := range t {
			if w == "(" && isName.MatchString(at(i-1)) && at(i-2) != "." && at(i-1) != "with" && at(0) != "copy" {
				return fmt.Sprintf("%s(… without a schema", at(i-1))
			}
		}
		return ""
	}
	ctes := []string{}
	for i, w := range t {
		if w == "with" || w == "recursive" && at(i-1) == "with" {
			if at(i+1) != "recursive" {
				ctes = append(ctes, at(i+1))
			}
		}
	}
	for i, w := range t {
		qualified := at(i-1) == "." && at(i-2) == "pg_catalog"
		switch {
		case operator.MatchString(w) && !qualified && !(w == "*" && (at(i-1) == "(" && at(i+1) == ")" || at(i-1) == "select")) &&
			!(w == "-" && at(i-1) == "," && at(i+2) != "::"):
			return fmt.Sprintf("the operator %s", w)
		case slices.Contains(compare, w) && at(i-1) != ".":
			return fmt.Sprintf("%s, which looks for an operator", w)
		case w == "distinct" && at(i+1) == "from":
			return "DISTINCT FROM, which looks for an operator"
		case w == "(" && isName.MatchString(at(i-1)) && !slices.Contains(builtIn, at(i-1)) && at(i-1) != "operator" &&
			!(at(i-2) == "." && at(i-3) == "pg_catalog") && !slices.Contains(ctes, at(i-1)):
			return fmt.Sprintf("%s(… without pg_catalog", at(i-1))
		case w == "::" && at(i+1) != "pg_catalog" && !slices.Contains(types, at(i+1)):
			return fmt.Sprintf("the type %s without pg_catalog", at(i+1))
		case (w == "from" || w == "join") && at(i+1) != "(" && at(i+1) != "lateral" && at(i+1) != "pg_catalog" && !slices.Contains(ctes, at(i+1)):
			return fmt.Sprintf("the table %s", at(i+1))
		}
	}
	return ""
}
