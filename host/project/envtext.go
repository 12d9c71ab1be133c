package project

import (
	"bufio"
	"bytes"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/template"
)

// unreadable says where a .env file stops being one. compose-go's own words
// quote the line, and a password may stand on it.
func unreadable(file string, data []byte, err error) *ConfigError {
	e := &ConfigError{File: file}
	text := firstLine(err.Error())
	var missing *template.MissingRequiredError
	switch value, open := strings.CutPrefix(afterLine(text), "unterminated quoted value "); {
	case open:
		// The parser has counted the lines down to the end of the file.
		e.Line, e.Key = lineWith(data, value)
		e.Allowed = "the quote that begins the value does not end"
	case errors.As(err, &missing), strings.HasPrefix(text, "required variable"):
		e.Allowed = text
	case strings.HasPrefix(text, "Invalid template"):
		e.Line, e.Key = lineWith(data, "${")
		e.Allowed = "a ${…} in the value is not one of compose's; a dollar that is meant is written $$, or the value in single quotes"
	default:
		if m := lineNumber.FindStringSubmatch(text); m != nil {
			e.Line, _ = strconv.Atoi(m[1])
		}
		e.Allowed = "not a line of a .env file; allowed: NAME=value, the name of letters, digits and _"
	}
	return e
}

var lineNumber = regexp.MustCompile(`^line ([0-9]+): `)

func afterLine(text string) string { return lineNumber.ReplaceAllString(text, "") }

// lineWith finds the last line that holds text, and its key.
func lineWith(data []byte, text string) (line int, key string) {
	eachLine(data, func(n int, l string) {
		if k, v, ok := keyOf(l); ok && strings.Contains(v, text) {
			line, key = n, k
		}
	})
	return line, key
}

// keyLines finds the line on which each key stands last, for messages.
func keyLines(data []byte) map[string]int {
	out := map[string]int{}
	eachLine(data, func(n int, l string) {
		if k, _, ok := keyOf(l); ok {
			out[k] = n
		}
	})
	return out
}

func eachLine(data []byte, f func(n int, line string)) {
	sc := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	sc.Buffer(nil, 1<<20)
	for n := 1; sc.Scan(); n++ {
		f(n, sc.Text())
	}
}

// keyOf splits "NAME=value" and "NAME: value", which compose takes too.
func keyOf(line string) (key, value string, ok bool) {
	t := strings.TrimPrefix(strings.TrimSpace(line), "export ")
	at := strings.IndexAny(t, "=:")
	if at < 0 || strings.HasPrefix(t, "#") {
		return "", "", false
	}
	return strings.TrimSpace(t[:at]), t[at+1:], true
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}
