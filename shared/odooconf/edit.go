package odooconf

import (
	"fmt"
	"strings"
)

// Set gives the file's bytes with one option changed or added. Every other
// line stays byte for byte; a value that ran over several lines is replaced
// as a whole, comments between its lines stay.
func (f *File) Set(key, value string) ([]byte, error) {
	key = strings.ToLower(key)
	if strings.ContainsAny(value, "\r\n") || value != strip(value) || strings.ContainsAny(key, "=:\r\n[]") {
		return nil, fmt.Errorf("odoo.conf cannot hold %s = %q on one line", key, value)
	}
	lines := append([]line(nil), f.lines...)
	o := f.options[key]
	switch {
	case o != nil && !o.inherited:
		lines = replaceValue(lines, o, value)
	case f.sectionLine == 0:
		lines = appendSection(lines, f.ending(), key, value)
	default:
		lines = insertAfter(lines, f.lastLine, f.ending(), key+" = "+value)
	}
	out := join(lines)
	// The edit is proven by reading it back.
	again, err := Parse(out)
	if err != nil {
		return nil, fmt.Errorf("set %s: %w", key, err)
	}
	if got, _ := again.Get(key); got != value {
		return nil, fmt.Errorf("set %s: reads back as %q", key, got)
	}
	return out, nil
}

func replaceValue(lines []line, o *option, value string) []line {
	l := &lines[o.first-1]
	at := strings.IndexAny(l.text, "=:") + 1
	gap := at
	for gap < len(l.text) && (l.text[gap] == ' ' || l.text[gap] == '\t') {
		gap++
	}
	prefix := l.text[:gap]
	if gap == len(l.text) && strings.HasSuffix(strings.TrimRight(l.text[:at-1], " \t"), l.text[:at-1]) {
		// "db_host=" stays tight.
		prefix = l.text[:at]
	} else if gap == len(l.text) {
		prefix = l.text[:at] + " "
	}
	l.text = prefix + value
	if len(o.more) == 0 {
		return lines
	}
	drop := map[int]bool{}
	last := o.more[len(o.more)-1]
	for n := o.first + 1; n <= last; n++ {
		t := strip(lines[n-1].text)
		// Comments between the lines of a value are a person's.
		if !strings.HasPrefix(t, "#") && !strings.HasPrefix(t, ";") {
			drop[n] = true
		}
	}
	var out []line
	for i, l := range lines {
		if !drop[i+1] {
			out = append(out, l)
		}
	}
	return out
}

func appendSection(lines []line, end, key, value string) []line {
	if n := len(lines); n > 0 && lines[n-1].end == "" {
		lines[n-1].end = end
	}
	return append(lines, line{"[" + Section + "]", end}, line{key + " = " + value, end})
}

func insertAfter(lines []line, n int, end, text string) []line {
	if lines[n-1].end == "" {
		lines[n-1].end = end
	}
	// What follows must not become a continuation of the new line.
	for _, l := range lines[n:] {
		t := strip(l.text)
		if t == "" || strings.HasPrefix(t, "#") || strings.HasPrefix(t, ";") {
			continue
		}
		text = l.text[:strings.Index(l.text, t)] + text
		break
	}
	out := append([]line(nil), lines[:n]...)
	out = append(out, line{text, end})
	return append(out, lines[n:]...)
}

// ending is the file's own line ending.
func (f *File) ending() string {
	for _, l := range f.lines {
		if l.end != "" {
			return l.end
		}
	}
	return "\n"
}

func join(lines []line) []byte {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.text)
		b.WriteString(l.end)
	}
	return []byte(b.String())
}
