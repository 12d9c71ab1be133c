package sqldump

import (
	"slices"
	"strings"
)

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
	// Tables are the names of the tables that the statement locks, a foreign key's own
	// first.
	Tables []string
	// Name is a ForeignKey's.
	Name string
	// Columns are a Key's, or those that a ForeignKey refers to, as they are written.
	Columns string
	// Unique: a foreign key may refer to what this Index is of.
	Unique bool
	// Cost is how long an Index takes, by guess: 1 is that of one column.
	Cost int
	// Checks: adding this ForeignKey reads all rows.
	Checks bool
}

// perRow is how many entries one row has in an index of these methods, by guess.
var perRow = map[string]int{"gin": 10, "gist": 3, "spgist": 3}

// Classify reads a statement of the part after the data.
func Classify(stmt []byte) Post {
	t := Tokens(stmt, 1<<12)
	switch {
	case has(t, "comment", "on"):
		return Post{Kind: Remark}
	case has(t, "create", "index"), has(t, "create", "unique", "index"):
		unique := t[1] == "unique"
		t = t[2:]
		if unique {
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
				cost := 1
				if has(rest, "using") && len(rest) > 1 {
					cost, rest = max(perRow[rest[1]], 1), rest[2:]
				}
				return Post{Kind: Index, Tables: []string{table}, Unique: unique, Cost: cost * len(list(rest))}
			}
		}
	case has(t, "alter", "table", "only"):
		table, rest := name(t[3:])
		if table == "" || !has(rest, "add", "constraint") || len(rest) < 5 || !isIdent(rest[2]) {
			return Post{}
		}
		constraint := unquote(rest[2])
		rest = rest[3:]
		switch {
		case has(rest, "primary", "key"), has(rest, "unique"):
			for len(rest) > 0 && rest[0] != "(" {
				if rest[0] == "using" {
					return Post{} // an index that has been made
				}
				rest = rest[1:]
			}
			return Post{Kind: Key, Tables: []string{table}, Columns: strings.Join(list(rest), ",")}
		case has(rest, "foreign", "key"):
			for i, w := range rest {
				if w == "references" {
					if other, rest := name(rest[i+1:]); other != "" {
						checks := !slices.Contains(rest, "valid") && !slices.Contains(rest, "enforced") // NOT VALID, NOT ENFORCED
						return Post{Kind: ForeignKey, Name: constraint, Tables: []string{table, other}, Columns: strings.Join(list(rest), ","), Checks: checks}
					}
				}
			}
		}
	}
	return Post{}
}

// list gives the items, between commas, of the parentheses that t begins with.
func list(t []string) []string {
	var out []string
	depth := 0
	for i, from := 0, 1; i < len(t); i++ {
		switch t[i] {
		case "(":
			depth++
		case ")":
			depth--
		}
		if depth == 0 || depth == 1 && t[i] == "," {
			if i > from {
				out = append(out, strings.Join(t[from:i], " "))
			}
			from = i + 1
		}
		if depth == 0 {
			break
		}
	}
	return out
}
