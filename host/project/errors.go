package project

import (
	"fmt"
	"strings"
)

// ConfigError is one bad value: where it stands, what was found, what is
// allowed. Nothing has been written when it is returned.
type ConfigError struct {
	// File as a person knows it (".env", "odpm.json", "environment"); Line is
	// 0 where a line says nothing.
	File string
	Line int
	// Column is set where it says more than the line: in JSON.
	Column int
	Key    string
	// Found is the value, "" where it must not be shown or is missing.
	Found   string
	Allowed string
	Hint    string
}

func (e *ConfigError) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
		if e.Column > 0 {
			fmt.Fprintf(&b, ":%d", e.Column)
		}
	}
	b.WriteString(": ")
	if e.Key != "" {
		b.WriteString(e.Key)
		if e.Found != "" {
			fmt.Fprintf(&b, " is %q", shown(e.Found))
		}
		if strings.HasPrefix(e.Allowed, "missing") {
			b.WriteString(" is ")
		} else {
			b.WriteString("; ")
		}
	}
	b.WriteString(e.Allowed)
	if e.Hint != "" {
		b.WriteString("\n" + e.Hint)
	}
	return b.String()
}

// shown keeps a connection string that stands in a wrong place from being
// repeated: it carries a password.
func shown(value string) string {
	if scheme, _, found := strings.Cut(value, "://"); found {
		return scheme + "://…"
	}
	return value
}

// Errors are several bad values, told together so that one correction round
// is enough.
type Errors []error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, err := range e {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

func (e Errors) Unwrap() []error { return e }
