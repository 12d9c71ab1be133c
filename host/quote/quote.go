// Package quote writes names and strings into SQL.
package quote

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

// Ident quotes an identifier: a name, or a schema and the name of something in it.
func Ident(parts ...string) string { return pgx.Identifier(parts).Sanitize() }

// Literal quotes a string constant, which means the same whatever
// standard_conforming_strings says. A NUL, which no server takes, is left out.
func Literal(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\x00", ""), "'", "''")
	if strings.Contains(s, `\`) {
		return "E'" + strings.ReplaceAll(s, `\`, `\\`) + "'"
	}
	return "'" + s + "'"
}
