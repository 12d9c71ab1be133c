package sqldump

import (
	"bytes"
	"strings"
)

// Tokens splits the first n tokens off a statement: words in lower case unless
// quoted, quoted identifiers with their quotes, strings as they are, other
// bytes alone. Comments are left out. It never fails: what it cannot read ends
// the list.
func Tokens(stmt []byte, n int) []string {
	var out []string
	for _, w := range words(stmt, n) {
		out = append(out, w.text)
	}
	return out
}

// may tells whether a statement may begin with a word that has these first three
// letters, without taking it apart: a hostile dump has millions. It may where
// something else than a letter stands first, a comment or a quote.
func may(stmt []byte, words ...string) bool {
	stmt = bytes.TrimLeft(stmt, " \t\n\v\f\r")
	if len(stmt) < 3 {
		return true
	}
	for i := range 3 {
		if b := stmt[i] | 0x20; b < 'a' || b > 'z' {
			return true
		}
	}
	for _, w := range words {
		if bytes.EqualFold(stmt[:3], []byte(w)) {
			return true
		}
	}
	return false
}

// word is a token and where it stands.
type word struct {
	text     string
	from, to int
}

func words(stmt []byte, n int) []word {
	var out []word
	add := func(text string, from, to int) { out = append(out, word{text, from, to}) }
	for i := 0; i < len(stmt) && len(out) < n; {
		switch b := stmt[i]; {
		case b == ' ' || b >= '\t' && b <= '\r': // with \f and \v, as PostgreSQL
			i++
		case bytes.HasPrefix(stmt[i:], []byte("--")):
			j := bytes.IndexAny(stmt[i:], "\r\n")
			if j < 0 {
				return out
			}
			i += j + 1
		case bytes.HasPrefix(stmt[i:], []byte("/*")):
			depth, j := 1, i+2
			for ; depth > 0 && j+1 < len(stmt); j++ {
				switch string(stmt[j : j+2]) {
				case "/*":
					depth, j = depth+1, j+1
				case "*/":
					depth, j = depth-1, j+1
				}
			}
			i = j
		case b == '"' || b == '\'':
			j := i + 1
			for ; j < len(stmt); j++ {
				if stmt[j] == b {
					if j+1 < len(stmt) && stmt[j+1] == b {
						j++
						continue
					}
					break
				}
			}
			if j >= len(stmt) {
				return out
			}
			add(quoted(stmt[i:j+1]), i, j+1)
			i = j + 1
		case identByte(b) || b >= '0' && b <= '9':
			j := i
			for j < len(stmt) && (identByte(stmt[j]) || stmt[j] == '$' || stmt[j] >= '0' && stmt[j] <= '9') {
				j++
			}
			add(strings.ToLower(string(stmt[i:j])), i, j)
			i = j
		default:
			add(string(b), i, i+1)
			i++
		}
	}
	return out
}

// quoted is a quoted token. A string's content decides nothing and may be an
// attachment of 10 MB.
func quoted(t []byte) string {
	if n := 1 << 10; len(t) > n {
		q := string(t[:1])
		return q + string(bytes.ReplaceAll(t[1:n], []byte(q), nil)) + q
	}
	return string(t)
}

// isIdent says whether a token can be (part of) a name.
func isIdent(t string) bool {
	return t != "" && (t[0] == '"' || identByte(t[0]))
}

// name reads a qualified name at the head of tokens.
func name(t []string) (string, []string) {
	if len(t) == 0 || !isIdent(t[0]) {
		return "", t
	}
	n := unquote(t[0])
	t = t[1:]
	for len(t) > 1 && t[0] == "." && isIdent(t[1]) {
		n += "\x00" + unquote(t[1])
		t = t[2:]
	}
	return n, t
}

// unquote undoes the quoting of an identifier.
func unquote(t string) string {
	if len(t) >= 2 && t[0] == '"' {
		return strings.ReplaceAll(t[1:len(t)-1], `""`, `"`)
	}
	return t
}

func isCopy(stmt []byte) bool {
	t := Tokens(stmt, 1)
	return len(t) == 1 && t[0] == "copy"
}

// isCopyFromStdin accepts exactly COPY name [(columns)] FROM stdin; and nothing else.
func isCopyFromStdin(stmt []byte) bool {
	t := Tokens(stmt, 1<<20)
	if len(t) < 2 || t[0] != "copy" {
		return false
	}
	n, t := name(t[1:])
	if n == "" {
		return false
	}
	if len(t) > 0 && t[0] == "(" {
		for t = t[1:]; len(t) > 1 && isIdent(t[0]); t = t[2:] {
			if t[1] == ")" {
				break
			}
			if t[1] != "," {
				return false
			}
		}
		if len(t) > 1 && t[1] == ")" {
			t = t[2:]
		} else if len(t) > 0 && t[0] == ")" {
			t = t[1:] // a table without columns
		} else {
			return false
		}
	}
	return len(t) == 3 && t[0] == "from" && t[1] == "stdin" && t[2] == ";"
}

// CopyTarget takes a COPY … FROM stdin statement apart. Names are unquoted; the
// schema is "" where there is none, columns are nil where none are listed.
func CopyTarget(stmt []byte) (schema, table string, columns []string) {
	t := Tokens(stmt, 1<<20)
	if len(t) < 2 || t[0] != "copy" {
		return "", "", nil
	}
	n, t := name(t[1:])
	schema, table, _ = strings.Cut(n, "\x00")
	if table == "" {
		schema, table = "", schema
	}
	if len(t) == 0 || t[0] != "(" {
		return schema, table, nil
	}
	for t = t[1:]; len(t) > 1 && isIdent(t[0]); t = t[2:] {
		columns = append(columns, unquote(t[0]))
		if t[1] != "," {
			break
		}
	}
	return schema, table, columns
}
