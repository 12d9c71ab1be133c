package odooconf

import (
	"fmt"
	"strings"
	"unicode"
)

// line is one line's text and its ending as written.
type line struct{ text, end string }

// split cuts as Python's text mode does: \n, \r\n and \r end a line.
func split(data []byte) []line {
	var out []line
	start := 0
	for i := 0; i < len(data); i++ {
		n := 0
		switch {
		case data[i] == '\r' && i+1 < len(data) && data[i+1] == '\n':
			n = 2
		case data[i] == '\n' || data[i] == '\r':
			n = 1
		default:
			continue
		}
		out = append(out, line{string(data[start:i]), string(data[i : i+n])})
		start = i + n
		i += n - 1
	}
	if start < len(data) {
		out = append(out, line{string(data[start:]), ""})
	}
	return out
}

// space is Python's str.isspace for one character: Unicode's white space and
// the four information separators.
func space(r rune) bool { return unicode.IsSpace(r) || (r >= 0x1c && r <= 0x1f) }

func strip(s string) string { return strings.TrimFunc(s, space) }

// parse walks the lines as RawConfigParser._read does. Errors of single lines
// are kept until the end, as Python does, unless a harder one comes first.
func (f *File) parse() error {
	p := parser{f: f, seen: map[string]bool{}, sections: map[string]map[string]*option{}}
	for i, l := range f.lines {
		if err := p.line(i+1, l.text); err != nil {
			return err
		}
	}
	if p.bad != nil {
		return p.bad
	}
	p.finish()
	return nil
}

type parser struct {
	f        *File
	seen     map[string]bool
	sections map[string]map[string]*option
	section  string
	inside   bool
	current  *option
	values   map[*option][]string
	indent   int
	bad      error
	order    []string
}

func (p *parser) line(n int, text string) error {
	value := strip(text)
	comment := strings.HasPrefix(value, "#") || strings.HasPrefix(value, ";")
	if comment || value == "" {
		if !comment && p.current != nil {
			p.values[p.current] = append(p.values[p.current], "")
		}
		if comment {
			p.ends(n)
		}
		return nil
	}
	indent := 0
	for _, r := range text {
		if !space(r) {
			break
		}
		indent++
	}
	if p.current != nil && indent > p.indent {
		p.values[p.current] = append(p.values[p.current], value)
		p.current.more = append(p.current.more, n)
		p.ends(n)
		return nil
	}
	p.indent = indent
	if name, ok := header(value); ok {
		return p.header(n, name)
	}
	if !p.inside && n == 1 && strings.HasPrefix(value, "\ufeff") {
		return &SyntaxError{Line: n, Msg: "the file begins with a byte order mark, which Odoo does not accept either", way: `; remove it: sed -i '1s/^\xEF\xBB\xBF//' %s`}
	}
	if !p.inside {
		return &SyntaxError{Line: n, Msg: fmt.Sprintf("no [%s] above this line; found %q", Section, word(value))}
	}
	return p.option(n, value)
}

// ends remembers how far [options] reaches, for a line that is added to it.
func (p *parser) ends(n int) {
	if p.section == Section {
		p.f.lastLine = n
	}
}

// header matches \[(.+)\] at the start; the last ] of the line counts.
func header(value string) (string, bool) {
	end := strings.LastIndex(value, "]")
	if !strings.HasPrefix(value, "[") || end < 2 {
		return "", false
	}
	return value[1:end], true
}

func (p *parser) header(n int, name string) error {
	if name != "DEFAULT" {
		if p.sections[name] != nil {
			return &SyntaxError{Line: n, Msg: fmt.Sprintf("section [%s] appears twice", clip(name))}
		}
	}
	if p.sections[name] == nil {
		p.sections[name] = map[string]*option{}
	}
	p.section, p.inside, p.current = name, true, nil
	if name == Section {
		p.f.sectionLine, p.f.lastLine = n, n
	}
	return nil
}

func (p *parser) option(n int, value string) error {
	at := strings.IndexAny(value, "=:")
	if at < 0 {
		p.fail(n, fmt.Sprintf("no = or : after %q", word(value)))
		return nil
	}
	if at == 0 {
		p.fail(n, "no name before "+value[:1])
	}
	name := strings.ToLower(strip(value[:at]))
	key := p.section + "\x00" + name
	if p.seen[key] {
		return &SyntaxError{Line: n, Msg: fmt.Sprintf("option %s appears twice in [%s]", clip(name), clip(p.section))}
	}
	p.seen[key] = true
	o := &option{first: n}
	if p.values == nil {
		p.values = map[*option][]string{}
	}
	p.values[o] = []string{strip(value[at+1:])}
	p.sections[p.section][name] = o
	p.current = o
	p.ends(n)
	if p.section == Section {
		p.order = append(p.order, name)
	}
	return nil
}

func (p *parser) fail(n int, msg string) {
	if p.bad == nil {
		p.bad = &SyntaxError{Line: n, Msg: msg}
	}
}

// finish joins the values; [options] inherits what [DEFAULT] has. Without
// [options] Odoo takes nothing, not even the defaults.
func (p *parser) finish() {
	for o, parts := range p.values {
		o.value = strings.TrimRightFunc(strings.Join(parts, "\n"), space)
	}
	p.f.options = map[string]*option{}
	own, ok := p.sections[Section]
	if !ok {
		return
	}
	for name, o := range p.sections["DEFAULT"] {
		inherited := *o
		inherited.inherited = true
		p.f.options[name] = &inherited
	}
	for name, o := range own {
		p.f.options[name] = o
	}
	p.f.order = p.order
}

// word is what a message shows of a line that cannot be read: its first word.
// A password may follow.
func word(s string) string {
	if at := strings.IndexFunc(s, func(r rune) bool { return space(r) || r == '=' || r == ':' }); at >= 0 {
		return clip(s[:at]) + " …"
	}
	return clip(s)
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
