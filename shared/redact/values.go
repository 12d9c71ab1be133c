// Package redact hides secrets in what people and logs see. It does so in two
// ways, and everything that shows something uses both where they apply: by
// value, for the secrets that a run knows, whatever stands around them (Values);
// and by place, for what looks like a secret in the text of a configuration
// (Text), which nobody else may know.
package redact

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Mask stands where a secret stood.
const Mask = "***"

// Values are the secrets of a run. The zero value knows none; methods may be
// called from several goroutines.
type Values struct {
	mu     sync.RWMutex
	added  map[string]bool
	public map[string]bool
	forms  []form
}

type form struct {
	text string
	// word: it is hidden only where neither a letter nor a digit touches it.
	word bool
	// plain: it may be a word of a language, and "wrong password" must remain one
	// in a message. It is hidden in configurations.
	plain bool
}

const (
	// A value of one or two characters is in every line, and is hidden by place
	// alone; one below longValue is hidden as a word of its own.
	shortValue = 3
	longValue  = 8
)

// common are words that stand everywhere and that people use as passwords:
// hidden by value they would leave nothing to read, and hide nothing either.
var common = []string{
	"odoo", "postgres", "postgresql", "admin", "password", "passwd", "secret", "token", "user", "db", "database", "root",
	"test", "demo", "true", "false", "none", "null", "yes", "no", "localhost", "docker", "compose", "odpm", "dev", "prod",
}

// Public names words that the run shows anyhow, such as the names of services
// and roles. A secret that is one of them is hidden by place alone.
func (v *Values) Public(words ...string) {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.public == nil {
		v.public = map[string]bool{}
		for _, w := range common {
			v.public[w] = true
		}
	}
	for _, w := range words {
		v.public[strings.ToLower(w)] = true
	}
	v.forms = nil
}

// Add makes values secret, in every form in which they are written somewhere.
func (v *Values) Add(secrets ...string) {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.added == nil {
		v.added = map[string]bool{}
	}
	for _, s := range secrets {
		for _, one := range []string{s, strings.TrimSpace(s)} {
			if one != "" && len(one) <= 64<<10 {
				v.added[one] = true
			}
		}
	}
	v.forms = nil
}

// hidden says whether a value can be told from the words around it.
func (v *Values) hidden(s string) bool {
	lower := strings.ToLower(s)
	if utf8.RuneCountInString(s) < shortValue || v.public[lower] || v.public == nil && slices.Contains(common, lower) {
		return false
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil && len(s) < longValue {
		return false // a port, a version, a size
	}
	return true
}

// all gives the forms, the longest first: one may be part of another.
func (v *Values) all() []form {
	v.mu.RLock()
	forms, n := v.forms, len(v.added)
	v.mu.RUnlock()
	if forms != nil || n == 0 {
		return forms
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	seen := map[string]bool{}
	v.forms = []form{}
	for s := range v.added {
		if !v.hidden(s) {
			continue
		}
		for _, text := range written(s) {
			if !seen[text] {
				seen[text] = true
				v.forms = append(v.forms, form{text, utf8.RuneCountInString(s) < longValue, plainWord(s)})
			}
		}
	}
	slices.SortFunc(v.forms, func(a, b form) int {
		if d := len(b.text) - len(a.text); d != 0 {
			return d
		}
		return strings.Compare(a.text, b.text)
	})
	return v.forms
}

// written gives the ways in which files, programs and messages write a value.
func written(s string) []string {
	all := []string{s}
	add := func(f string) {
		if f != "" {
			all = append(all, f)
		}
	}
	dollars := strings.ReplaceAll(s, "$", "$$") // compose
	for _, one := range []string{s, dollars} {
		for _, escaped := range []bool{false, true} {
			var b strings.Builder
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(escaped)
			if enc.Encode(one) == nil {
				add(strings.Trim(strings.TrimSuffix(b.String(), "\n"), `"`)) // JSON, YAML in double quotes
			}
		}
		add(one)
		add(strings.ReplaceAll(one, "'", "''"))   // SQL, YAML in single quotes
		add(strings.ReplaceAll(one, "'", `'\''`)) // a shell
		add(strings.ReplaceAll(one, `\`, `\\`))
		add(strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(one)) // libpq, Python
		add(strings.Trim(strconv.Quote(one), `"`))
		add(strings.Trim(strconv.QuoteToASCII(one), `"`))
		add(strings.ReplaceAll(one, "%", "%%")) // configparser
	}
	query, path := url.QueryEscape(s), url.PathEscape(s)
	user := strings.TrimPrefix(url.UserPassword("", s).String(), ":")
	for _, u := range []string{query, path, user, strings.ReplaceAll(query, "+", "%20"), everyByte(s)} {
		add(u)
		add(lowerHex(u))
	}
	for line := range strings.SplitSeq(s, "\n") { // a key in several lines
		if len(strings.TrimSpace(line)) >= longValue && strings.Contains(s, "\n") {
			add(strings.TrimSpace(line))
		}
	}
	return all
}

// everyByte is percent-encoding that spares letters and digits alone.
func everyByte(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + strings.ToUpper(strconv.FormatUint(0x100|uint64(c), 16)[1:]))
		}
	}
	return b.String()
}

func lowerHex(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			b[i+1], b[i+2] = lower(b[i+1]), lower(b[i+2])
			i += 2
		}
	}
	return string(b)
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// plainWord says whether a value could be a short word of a language.
func plainWord(s string) bool {
	return utf8.RuneCountInString(s) < longValue && strings.ToLower(s) == s && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) })
}

// Hide gives a message without the secrets that are known.
func (v *Values) Hide(text string) string { return v.hide(text, false) }

// HideText gives a configuration, or a part of one, without the secrets that are
// known.
func (v *Values) HideText(text string) string { return v.hide(text, true) }

func (v *Values) hide(text string, config bool) string {
	if v == nil || text == "" {
		return text
	}
	for _, f := range v.all() {
		if (config || !f.plain) && strings.Contains(text, f.text) {
			text = replace(text, f)
		}
	}
	return text
}

func replace(text string, f form) string {
	if !f.word {
		return strings.ReplaceAll(text, f.text, Mask)
	}
	var b strings.Builder
	for {
		i := strings.Index(text, f.text)
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		before, _ := utf8.DecodeLastRuneInString(text[:i])
		after, _ := utf8.DecodeRuneInString(text[i+len(f.text):])
		b.WriteString(text[:i])
		if i > 0 && wordRune(before) || i+len(f.text) < len(text) && wordRune(after) {
			b.WriteString(f.text)
		} else {
			b.WriteString(Mask)
		}
		text = text[i+len(f.text):]
		if wordRune(after) && text != "" {
			// The rest of the word is not a word.
			_, n := utf8.DecodeRuneInString(text)
			b.WriteString(text[:n])
			text = text[n:]
		}
	}
}

func wordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
