package entrypoint

import (
	"slices"
	"strings"
)

// Arguments are what a script that is given those arguments of its own gives to each
// Odoo that it starts by a path, where the text and the environment say it all. ok is
// false where only running it does: a variable that it sets itself, what a command
// prints, a file name's pattern.
func Arguments(text string, given []string, lookup func(string) (string, bool)) (calls [][]string, ok bool) {
	scanned := scan(text, 0)
	e := expansion{given: given, lookup: lookup, set: map[string]bool{}, moved: len(scanned.functions) > 0}
	for _, words := range scanned.commands {
		e.notice(words)
	}
	for name := range e.set {
		// What Odoo and libpq read beside their options, and where words fall apart.
		if strings.HasPrefix(name, "PG") || slices.Contains([]string{"HOME", "ODOO_RC", "OPENERP_SERVER", "IFS"}, name) {
			return nil, false
		}
	}
	for _, words := range scanned.commands {
		c := resolve(words)
		if !c.odoo || !strings.Contains(c.program, "/") {
			continue
		}
		args := []string{}
		for i := 0; i < len(c.args); i++ {
			w := c.args[i]
			if redirection(w) {
				if bareOperator(w) {
					i++
				}
				continue
			}
			fields, known := e.word(w)
			if !known {
				return nil, false
			}
			args = append(args, fields...)
		}
		calls = append(calls, args)
	}
	return calls, !scanned.strange && len(calls) > 0
}

// expansion is what a shell makes of a word.
type expansion struct {
	given  []string
	lookup func(string) (string, bool)
	// set are variables that the script gives a value of its own.
	set map[string]bool
	// moved: its arguments are no longer those that it was given. unknown: it has
	// read another file.
	moved, unknown bool
}

var (
	// setters are given the names of variables.
	setters = []string{"local", "declare", "typeset", "unset", "read", "getopts", "for", "select", "let", "printf", "mapfile", "readarray"}
	// sources may set anything.
	sources = []string{".", "source", "eval"}
)

// notice remembers what a command changes of variables and arguments.
func (e *expansion) notice(words command) {
	setting := false
	for i, w := range words {
		name, _, assigned := strings.Cut(w, "=")
		name, _, _ = strings.Cut(strings.TrimSuffix(name, "+"), "[")
		switch {
		case assigned && assignment(w), setting && isName(w):
			e.set[name] = true
		case slices.Contains(sources, w) && (i == 0 || slices.Contains(keywords, words[i-1])):
			e.unknown = true
		}
		e.moved = e.moved || w == "shift" || w == "set" && slices.Contains(words[i:], "--")
		setting = setting || slices.Contains(setters, w)
		// ${NAME:=default}
		for rest, found := w, true; found; {
			if _, rest, found = strings.Cut(rest, "${"); found {
				name, _, assigned := strings.Cut(rest, "=")
				if name = strings.TrimSuffix(name, ":"); assigned && isName(name) {
					e.set[name] = true
				}
			}
		}
	}
}

// word is what becomes of one, several words where it is an unquoted list.
func (e *expansion) word(w string) (fields []string, known bool) {
	if allArguments(w) {
		return e.given, !e.moved && !e.unknown && (w == `"$@"` || w == `"${@}"` || !slices.ContainsFunc(e.given, func(g string) bool { return strings.ContainsAny(g, " \t\n*?[") }))
	}
	var b strings.Builder
	var split, quotedWord bool
	for i := 0; i < len(w); {
		switch c := w[i]; {
		case c == '\\' && i+1 < len(w):
			b.WriteByte(w[i+1])
			i += 2
		case c == '\'':
			end := strings.IndexByte(w[i+1:], '\'')
			if end < 0 {
				return nil, false
			}
			b.WriteString(w[i+1 : i+1+end])
			quotedWord = true
			i += end + 2
		case c == '"':
			end, ok := e.quoted(&b, w, i+1)
			if !ok {
				return nil, false
			}
			quotedWord = true
			i = end
		case c == '$':
			value, end, ok := e.variable(w, i)
			if !ok || strings.ContainsAny(value, "*?[") {
				return nil, false
			}
			split = split || strings.ContainsAny(value, " \t\n")
			b.WriteString(value)
			i = end
		case strings.IndexByte("`*?[~{<>", c) >= 0:
			return nil, false
		default:
			b.WriteByte(c)
			i++
		}
	}
	switch {
	case split && quotedWord:
		return nil, false
	case split:
		return strings.Fields(b.String()), true
	case b.Len() == 0 && !quotedWord:
		return nil, true // an unquoted variable that is empty
	}
	return []string{b.String()}, true
}

// quoted reads up to the closing quotation mark, and gives the place behind it.
func (e *expansion) quoted(b *strings.Builder, w string, i int) (end int, ok bool) {
	for i < len(w) {
		switch c := w[i]; c {
		case '"':
			return i + 1, true
		case '\\':
			if i+1 == len(w) {
				return 0, false
			}
			if strings.IndexByte("$`\"\\", w[i+1]) < 0 {
				b.WriteByte(c)
			}
			b.WriteByte(w[i+1])
			i += 2
		case '`':
			return 0, false
		case '$':
			value, end, ok := e.variable(w, i)
			if !ok {
				return 0, false
			}
			b.WriteString(value)
			i = end
		default:
			b.WriteByte(c)
			i++
		}
	}
	return 0, false
}

// variable reads $NAME, ${NAME}, ${NAME-default} and ${NAME:-default} at i.
func (e *expansion) variable(w string, i int) (value string, end int, ok bool) {
	inner, end := "", 0
	if strings.HasPrefix(w[i:], "${") {
		n := strings.IndexByte(w[i:], '}')
		if n < 0 {
			return "", 0, false
		}
		inner, end = w[i+2:i+n], i+n+1
	} else {
		end = i + 1
		for end < len(w) && isName(w[i+1:end+1]) {
			end++
		}
		inner = w[i+1 : end]
	}
	name, otherwise, hasDefault := strings.Cut(inner, "-")
	name, orEmpty := strings.CutSuffix(name, ":")
	if !isName(name) || e.unknown || e.set[name] || orEmpty && !hasDefault || strings.ContainsAny(otherwise, "$`\"'\\") {
		return "", 0, false
	}
	value, has := e.lookup(name)
	if hasDefault && (!has || orEmpty && value == "") {
		value = otherwise
	}
	return value, end, true
}

func isName(s string) bool { return s != "" && (s[0] < '0' || s[0] > '9') && assignment(s+"=") }
