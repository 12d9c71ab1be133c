package pglogin

import "strings"

// Shown is a setting as a log or an error may show it. People paste whole
// connection strings into the wrong place, and those carry a password: what
// looks like one is left out, and of "name:rest" only the name is left.
func Shown(s string) string {
	lower := strings.ToLower(s)
	switch {
	case strings.Contains(s, "://"), strings.Contains(lower, "password"), strings.Contains(s, "@"):
		return "…"
	}
	if name, _, found := strings.Cut(s, ":"); found {
		return oneLine(name) + ":…"
	}
	return oneLine(s)
}
