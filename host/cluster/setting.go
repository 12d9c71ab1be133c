package cluster

import (
	"strings"

	"github.com/odpm/odpm/host/quote"
)

// SettingSQL says again what pg_db_role_setting holds as NAME=VALUE, for behind
// the SET of an ALTER DATABASE or ALTER ROLE.
func SettingSQL(name, value string) string {
	return parameterName(name) + " TO " + parameterValue(name, value)
}

// parameterName quotes the parts of a custom parameter's name ("my.setting").
func parameterName(k string) string {
	parts := strings.Split(k, ".")
	for i, p := range parts {
		parts[i] = quote.Ident(p)
	}
	return strings.Join(parts, ".")
}

// listParameters hold quoted identifiers: their value is a list of literals,
// and one literal around it all would be one name (pg_dump's dumputils.c).
var listParameters = map[string]bool{
	"local_preload_libraries": true, "search_path": true, "session_preload_libraries": true,
	"shared_preload_libraries": true, "temp_tablespaces": true, "unix_socket_directories": true,
}

func parameterValue(k, v string) string {
	if !listParameters[strings.ToLower(k)] {
		return quote.Literal(v)
	}
	var parts []string
	for rest := strings.TrimSpace(v); rest != ""; {
		var part string
		if rest[0] == '"' {
			i := 1
			for i < len(rest) && (rest[i] != '"' || i+1 < len(rest) && rest[i+1] == '"') {
				if rest[i] == '"' {
					i++
				}
				i++
			}
			part = strings.ReplaceAll(rest[1:min(i, len(rest))], `""`, `"`)
			rest = rest[min(i+1, len(rest)):]
		} else if i := strings.IndexByte(rest, ','); i >= 0 {
			part, rest = strings.TrimSpace(rest[:i]), rest[i:]
		} else {
			part, rest = strings.TrimSpace(rest), ""
		}
		parts = append(parts, quote.Literal(part))
		rest = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(rest), ","))
	}
	if len(parts) == 0 {
		return `''`
	}
	return strings.Join(parts, ", ")
}
