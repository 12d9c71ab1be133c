package sqldump

import (
	"bytes"
	"strings"
)

// TableColumns takes the names of the columns from a CREATE TABLE; ok is false
// for any other statement. Constraints between them are left out.
func TableColumns(stmt []byte) (schema, table string, columns []string, ok bool) {
	t := Tokens(stmt, 1<<14)
	if !has(t, "create", "table") && !has(t, "create", "unlogged", "table") {
		return "", "", nil, false
	}
	for len(t) > 0 && t[0] != "table" {
		t = t[1:]
	}
	t = t[1:]
	if has(t, "if", "not", "exists") {
		t = t[3:]
	}
	schema, table, t = qualified(t)
	if len(t) == 0 || t[0] != "(" {
		return schema, table, nil, true
	}
	depth, first := 0, false
	for _, w := range t {
		switch {
		case w == "(":
			depth++
			first = depth == 1
			continue
		case w == ")":
			depth--
		case w == "," && depth == 1:
			first = true
			continue
		case first && depth == 1 && isIdent(w) && w != "constraint" && w != "check" && w != "primary" && w != "unique" && w != "foreign" && w != "exclude" && w != "like":
			columns = append(columns, unquote(w))
		}
		first = false
	}
	return schema, table, columns, true
}

// DroppedTable is the table of a DROP TABLE.
func DroppedTable(stmt []byte) (schema, table string, ok bool) {
	t := Tokens(stmt, 16)
	if !has(t, "drop", "table") {
		return "", "", false
	}
	t = t[2:]
	if has(t, "if", "exists") {
		t = t[2:]
	}
	schema, table, _ = qualified(t)
	return schema, table, true
}

func qualified(t []string) (schema, table string, rest []string) {
	n, rest := name(t)
	schema, table, found := strings.Cut(n, "\x00")
	if !found {
		return "", schema, rest
	}
	return schema, table, rest
}

// Insert is an INSERT INTO … VALUES of pg_dump --inserts, --column-inserts or
// --rows-per-insert.
type Insert struct {
	Schema, Table string
	// Columns are nil where the statement lists none: all, in the table's order.
	Columns []string
	values  []byte
}

// ParseInsert takes an INSERT apart; ok is false for anything else.
func ParseInsert(stmt []byte) (ins Insert, ok bool) {
	head := Tokens(stmt[:min(len(stmt), 256<<10)], 1<<13)
	if !has(head, "insert", "into") {
		return ins, false
	}
	var rest []string
	ins.Schema, ins.Table, rest = qualified(head[2:])
	if len(rest) > 0 && rest[0] == "(" {
		for rest = rest[1:]; len(rest) > 1 && isIdent(rest[0]); rest = rest[2:] {
			ins.Columns = append(ins.Columns, unquote(rest[0]))
			if rest[1] != "," {
				break
			}
		}
	}
	i := valuesAt(stmt)
	if i < 0 {
		return ins, false
	}
	ins.values = stmt[i:]
	return ins, true
}

// valuesAt is where the word VALUES ends, outside of names and strings.
func valuesAt(stmt []byte) int {
	quoted := false
	for i := range stmt {
		switch b := stmt[i]; {
		case b == '"':
			quoted = !quoted
		case quoted:
		case b == '\'':
			return -1
		case (b == 'V' || b == 'v') && len(stmt) >= i+6 && bytes.EqualFold(stmt[i:i+6], []byte("values")) &&
			i > 0 && !identByte(stmt[i-1]) && !(len(stmt) > i+6 && identByte(stmt[i+6])):
			return i + 6
		}
	}
	return -1
}

// Rows gives each row's values; NULL is "". What is given is valid until the
// next row, and a value longer than some kilobytes is cut.
func (ins Insert) Rows(each func(values []string)) {
	var row []string
	depth := 0
	v := ins.values
	var bare []byte
	literal, isLiteral := "", false
	end := func() {
		switch text := strings.TrimSpace(string(bare)); {
		case isLiteral:
			row = append(row, literal)
		case strings.EqualFold(text, "null"):
			row = append(row, "")
		default:
			row = append(row, text)
		}
		bare, literal, isLiteral = bare[:0], "", false
	}
	for i := 0; i < len(v); i++ {
		switch b := v[i]; {
		case b == '\'':
			escapes := i > 0 && (v[i-1] == 'E' || v[i-1] == 'e')
			var n int
			literal, n = stringLiteral(v[i:], escapes)
			isLiteral = true
			i += n - 1
		case b == '(' && depth == 0:
			depth, row = 1, row[:0]
		case b == '(':
			depth++
		case b == ')' && depth == 1:
			end()
			each(row)
			depth = 0
		case b == ')':
			depth--
		case b == ',' && depth == 1:
			end()
		case depth > 0 && len(bare) < maxValue:
			bare = append(bare, b)
		}
	}
}

// stringLiteral reads '…' and gives its length.
func stringLiteral(v []byte, escapes bool) (string, int) {
	var out []byte
	add := func(b byte) {
		if len(out) < maxValue {
			out = append(out, b)
		}
	}
	for i := 1; i < len(v); i++ {
		switch {
		case v[i] == '\\' && escapes && i+1 < len(v):
			i++
			add(v[i])
		case v[i] == '\'' && i+1 < len(v) && v[i+1] == '\'':
			i++
			add('\'')
		case v[i] == '\'':
			return string(out), i + 1
		default:
			add(v[i])
		}
	}
	return string(out), len(v)
}

// SearchPath is the first schema of SET search_path, or of the set_config that
// pg_dump writes instead; "" for none. ok is false for any other statement.
func SearchPath(stmt []byte) (schema string, ok bool) {
	t := Tokens(stmt, 10)
	switch {
	case has(t, "set", "search_path") && len(t) > 3:
		first := strings.Trim(unquote(t[3]), "'")
		if first == "pg_catalog" || first == ";" {
			first = ""
		}
		return first, true
	case has(t, "select", "pg_catalog", ".", "set_config", "(", "'search_path'"):
		return "", true
	}
	return "", false
}
