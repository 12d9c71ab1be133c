package sqldump

import (
	"strings"
	"unicode/utf8"
)

// NameTheEncoding is what to do about a dump in SQL_ASCII that is not UTF-8: the
// database took any bytes, and nobody but its owner knows what they mean.
const NameTheEncoding = "the database was in SQL_ASCII, which accepts any bytes; find out which encoding they are in and put it into the dump's line SET client_encoding = 'SQL_ASCII', for example 'WIN1252' or 'LATIN1': the server then converts them"

// NotAsItSays is what to do about a dump that says it is in UTF-8 and is not.
const NotAsItSays = "the dump claims to be in UTF8, but has bytes that are not, which PostgreSQL refuses; if all of it is in another encoding, put that into its line SET client_encoding = 'UTF8', for example 'WIN1252'; otherwise make the dump again (an editor may have changed it), or correct the text in the original database"

// ClientEncoding is what SET client_encoding sets; ok is false for any other
// statement.
func ClientEncoding(stmt []byte) (name string, ok bool) {
	t := Tokens(stmt, 5)
	if len(t) < 4 || !has(t, "set", "client_encoding") {
		return "", false
	}
	return strings.ToUpper(strings.Trim(unquote(t[3]), "'")), true
}

// UTF8 is a writer that says whether all that was written is UTF-8. A character
// may be split over two writes, but not over two ends of text.
type UTF8 struct {
	// Bad is the first place that is not, with some bytes before it.
	Bad  string
	rest []byte
}

func (u *UTF8) Write(p []byte) (int, error) {
	n := len(p)
	if u.Bad != "" {
		return n, nil
	}
	if len(u.rest) > 0 {
		p = append(u.rest, p...)
		u.rest = nil
	}
	if utf8.Valid(p) {
		return n, nil
	}
	for i := 0; i < len(p); {
		if !utf8.FullRune(p[i:]) {
			u.rest = append([]byte(nil), p[i:]...)
			return n, nil
		}
		r, size := utf8.DecodeRune(p[i:])
		if r == utf8.RuneError && size == 1 {
			u.Bad = string(p[max(0, i-20):min(len(p), i+5)])
			return n, nil
		}
		i += size
	}
	return n, nil
}

// End is the end of a text; what is still missing will not come.
func (u *UTF8) End() {
	if len(u.rest) > 0 && u.Bad == "" {
		u.Bad = string(u.rest)
	}
	u.rest = nil
}
