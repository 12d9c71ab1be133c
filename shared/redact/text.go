package redact

import (
	"regexp"
	"strings"
)

// secretKey is a name whose value is a secret in odoo.conf, .env, compose
// files, command lines, connection strings and JSON.
var secretKey = regexp.MustCompile(`(?i)[\w.-]*(?:passw|pass_?phrase|passwd|pwd|secret|token|api_?key|(?:private|access|encryption|signing|master)_?key|credential|authorization)[\w.-]*|-{0,2}\b(?:[\w.-]*[_-])?(?:pass|pw)\b|(?-i:\b[a-z]+P(?:ass|w|wd))\b`)

// noSecret are names of the same look: of files that hold one, and of compose's
// section "secrets".
var noSecret = regexp.MustCompile(`(?i)(?:[_-]?(?:file|path|dir)|^-*secrets|password_encryption|^--?no-password|^--set-admin-pass|(?-i:^(?:OLD)?PWD))$`)

// credentials are those of a URL. The password may have an @ of its own.
var credentials = regexp.MustCompile(`(://[^:/\s@"']*:)([^\s"']+)@`)

// reference is a value that only names another one.
var reference = regexp.MustCompile(`^\$\{[A-Za-z_][A-Za-z0-9_]*(?::?\?[^}]*)?\}$`)

// Text shows a configuration, or what a program wrote, without what looks like
// a secret.
func Text(text string) string {
	s := scan(text)
	return s.out.String()
}

// Find gives the secrets that stand in a text by the same rules.
func Find(text string) []string {
	s := scan(text)
	return s.found
}

type scanner struct {
	out   strings.Builder
	found []string
	// The lines below a secret that are its continuation.
	indent int
	open   byte // the quote that is open at the end of a line
	flag   bool // the next item of a list is a secret
	// block: the lines below are a block scalar ("|"), whatever they look like.
	block bool
}

func scan(text string) *scanner {
	s := &scanner{indent: -1}
	for i, line := range strings.SplitAfter(text, "\n") {
		if i > 0 && line == "" {
			break
		}
		body := strings.TrimRight(line, "\r\n")
		s.line(body)
		s.out.WriteString(line[len(body):])
	}
	return s
}

// hide writes the mask for a secret.
func (s *scanner) hide(value string) {
	if value == "" {
		return
	}
	if reference.MatchString(value) {
		s.out.WriteString(value)
		return
	}
	s.found = append(s.found, value)
	s.out.WriteString(Mask)
}

// mapping is the first line of a mapping.
var mapping = regexp.MustCompile(`^(?:- )?["']?[\w.-]+["']?\s*:(?:\s|$)`)

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " \t")) }

func (s *scanner) line(line string) {
	trimmed := strings.TrimLeft(line, " \t")
	switch {
	case s.open != 0:
		// A quoted value goes on.
		if i := closing(line, s.open); i >= 0 {
			s.hide(strings.TrimSpace(line[:i]))
			s.open = 0
			s.line0(line[i:])
			return
		}
		s.hide(strings.TrimSpace(line))
		return
	case s.indent >= 0 && trimmed == "":
		s.out.WriteString(line)
		return
	case s.indent >= 0 && indentOf(line) > s.indent && !s.block && mapping.MatchString(trimmed):
		// The key is a name, as those in compose's section "secrets" are.
	case s.indent >= 0 && indentOf(line) > s.indent:
		// The rest of a value that takes several lines.
		s.out.WriteString(line[:len(line)-len(trimmed)])
		s.hide(strings.TrimRight(trimmed, " \t"))
		return
	}
	s.indent = -1
	if s.flag {
		s.flag = false
		if item, ok := strings.CutPrefix(trimmed, "- "); ok {
			item = strings.TrimLeft(item, " ")
			s.out.WriteString(line[:len(line)-len(item)])
			s.line0(s.value(item, "\n"))
			return
		}
	}
	s.line0(line)
}

// line0 is a line, or the rest of one, outside of any value.
func (s *scanner) line0(line string) {
	rest := line
	for rest != "" {
		at := nextSecret(rest)
		if at == nil {
			s.plain(rest)
			return
		}
		start := len(line) - len(rest)
		s.plain(rest[:at.valueAt])
		value := rest[at.valueAt:]
		rest = s.secret(line, start+at.keyAt, at, value)
	}
}

// plain is text without a secret key; URLs are looked at anyway.
func (s *scanner) plain(text string) {
	for {
		m := credentials.FindStringSubmatchIndex(text)
		if m == nil {
			s.out.WriteString(text)
			return
		}
		s.out.WriteString(text[:m[4]])
		s.hide(text[m[4]:m[5]])
		text = text[m[5]:]
	}
}

// place is where a key and its value are in a line.
type place struct {
	keyAt, valueAt int
	// sep is ':' or '=', ' ' for the word after an option or after SQL's PASSWORD,
	// ',' for the item after an option in a list in brackets, 0 where the value
	// is the next item of a list.
	sep byte
	// quoted: the key alone is in quotes.
	quoted bool
}

// nextSecret finds the next key with a value.
func nextSecret(text string) *place {
	for from := 0; from < len(text); {
		m := secretKey.FindStringIndex(text[from:])
		if w := option(text[from:]); w != nil && (m == nil || w[0] < m[0]) {
			m = w
		}
		if m == nil {
			return nil
		}
		key, end := text[from+m[0]:from+m[1]], from+m[1]
		if p := after(text, from+m[0], end, key); p != nil && !noSecret.MatchString(key) {
			return p
		}
		from = end
	}
	return nil
}

var shortOption = regexp.MustCompile(`(?:^|[\s"'\[,])(-w)(?:$|[\s"'=,])`)

// option finds Odoo's -w, which is --db_password.
func option(text string) []int {
	if m := shortOption.FindStringSubmatchIndex(text); m != nil {
		return m[2:4]
	}
	return nil
}

// after looks at what follows a key.
func after(text string, keyAt, end int, key string) *place {
	i := end
	quote := byte(0)
	if i < len(text) && (text[i] == '"' || text[i] == '\'') {
		quote = text[i]
		i++
	}
	j := i
	for j < len(text) && (text[j] == ' ' || text[j] == '\t') {
		j++
	}
	isOption := strings.HasPrefix(key, "-") && len(strings.TrimLeft(key, "-")) > 0 && (keyAt == 0 || strings.IndexByte(" \t\"'[,", text[keyAt-1]) >= 0)
	switch {
	case j < len(text) && (text[j] == ':' || text[j] == '='):
		if strings.HasPrefix(text[j:], "://") {
			return nil
		}
		for j++; j < len(text) && (text[j] == ' ' || text[j] == '\t'); j++ {
			continue
		}
		return &place{keyAt, j, text[i+strings.IndexAny(text[i:], ":=")], quote != 0}
	case isOption && j == len(text):
		return &place{keyAt, j, 0, quote != 0}
	case isOption && text[j] == ',':
		for j++; j < len(text) && (text[j] == ' ' || text[j] == '\t'); j++ {
			continue
		}
		return &place{keyAt, j, ',', quote != 0}
	case isOption && quote == 0 && j > i && text[j] != '-':
		return &place{keyAt, j, ' ', false}
	case strings.EqualFold(key, "password") && j > i && j < len(text) && text[j] == '\'':
		return &place{keyAt, j, ' ', false}
	}
	return nil
}

// secret hides the value behind a key and gives the rest of the line.
func (s *scanner) secret(line string, keyAt int, at *place, value string) string {
	if at.sep == 0 {
		s.flag = true
		return ""
	}
	before := line[:keyAt]
	if at.quoted && before != "" {
		before = before[:len(before)-1]
	}
	head := strings.Trim(before, " \t\"'")
	if at.sep == ' ' || at.sep == ',' {
		return s.value(value, enclosing(before, true))
	}
	// A line of its own: "key: value", "- KEY=value", "export KEY=value".
	if head == "" || head == "-" || head == "+" || head == "#" || head == ";" || head == "export" || head == "- -" || head == "ENV" {
		if strings.HasSuffix(strings.TrimRight(before, " \t"), `"`) || strings.HasSuffix(strings.TrimRight(before, " \t"), `'`) {
			if q := before[len(before)-1]; strings.IndexByte(line[keyAt:len(line)-len(value)], q) < 0 {
				return s.value(value, string(q)) // "KEY=value" in quotes
			}
		}
		if value == "" || value[0] == '|' || value[0] == '>' {
			s.out.WriteString(value)
			if at.sep == ':' {
				s.indent, s.block = indentOf(line), value != ""
			}
			return ""
		}
		switch {
		case value[0] == '"' || value[0] == '\'':
			return s.value(value, "\n")
		case at.sep == ':' && (value[0] == '{' || value[0] == '['):
			return value
		}
		s.hide(strings.TrimRight(value, " \t"))
		s.indent, s.block = indentOf(line), false
		return ""
	}
	return s.value(value, enclosing(before, false))
}

// enclosing gives the bytes that end a value in the middle of a line: those of
// the quotes or brackets that are open, or a blank.
func enclosing(before string, item bool) string {
	quote, depth := byte(0), 0
	for i := range len(before) {
		switch b := before[i]; {
		case quote != 0:
			if b == quote {
				quote = 0
			}
		case (b == '"' || b == '\'') && (i == 0 || strings.IndexByte(" \t[{,:=(-", before[i-1]) >= 0):
			quote = b
		case b == '[' || b == '{':
			depth++
		case (b == ']' || b == '}') && depth > 0:
			depth--
		}
	}
	switch {
	case quote != 0 && item:
		return " \t" + string(quote)
	case quote != 0:
		// A whole command may stand in the quotes.
		if strings.ContainsAny(before[strings.LastIndexByte(before, quote)+1:], " \t") {
			return " \t" + string(quote)
		}
		return string(quote)
	case depth > 0:
		return ",]}"
	case strings.Contains(before, "?") && strings.Contains(before, "://"):
		return " \t&\"'"
	}
	return " \t"
}

// value hides a value that is quoted or ends at one of the bytes, and gives the
// rest of the line.
func (s *scanner) value(value, ends string) string {
	if value == "" {
		return ""
	}
	if q := value[0]; (q == '"' || q == '\'') && !strings.ContainsRune(ends, rune(q)) {
		s.out.WriteByte(q)
		i := closing(value[1:], q)
		if i < 0 {
			s.open = q
			s.hide(value[1:])
			return ""
		}
		s.hide(value[1 : 1+i])
		return value[1+i:]
	}
	i := strings.IndexAny(value, ends)
	if i < 0 {
		i = len(value)
	}
	s.hide(strings.TrimRight(value[:i], " \t"))
	return value[i:]
}

// closing is where a quote ends; doubled ones and those behind a backslash do
// not end it.
func closing(text string, quote byte) int {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote == '"':
			i++
		case text[i] == quote && i+1 < len(text) && text[i+1] == quote && quote == '\'':
			i++
		case text[i] == quote:
			return i
		}
	}
	return -1
}

// Learn adds the secrets that stand in the text of a configuration.
func (v *Values) Learn(text string) {
	for _, s := range Find(text) {
		plain, _, _ := strings.Cut(s, " #") // a comment, or part of it
		for _, one := range []string{s, plain} {
			v.Add(one, strings.ReplaceAll(one, "$$", "$"), strings.NewReplacer(`\"`, `"`, `\\`, `\`, `''`, `'`).Replace(one))
		}
	}
}

// IsKey says whether the value of a name of this kind is a secret.
func IsKey(name string) bool {
	return secretKey.FindString(name) == name && name != "" && !noSecret.MatchString(name)
}
