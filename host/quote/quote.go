// Package quote writes names and strings into SQL.
package quote

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

// Ident quotes an identifier.
func Ident(name string) string { return pgx.Identifier{name}.Sanitize() }

// Literal quotes a string constant, which means the same whatever
// standard_conforming_strings says. A NUL, which no server takes, is left out.
func Literal(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\x00", ""), "'", "''")
	if strings.Contains(s, `\`) {
		return "E'" + strings.ReplaceAll(s, `\`, `\\`) + "'"
	}
	return "'" + s + "'"
}
