package sqldump

import (
	"bytes"
	"errors"
	"fmt"
)

// lexer follows psql's own (psqlscan.l) as far as it decides where a statement
// ends and whether a backslash is a command. Nothing depends on reading just as
// some psql does: statements are parsed by the server alone.
type lexer struct {
	state byte // 0, one of ' " $ - *, or E for E'…'
	prev  byte // the byte before, 0 at the start
	esc   bool // in E'…': the next byte is escaped
	wasE  bool // the quote that was closed last belonged to E'…'
	depth int  // of /* */
	paren int

	tag   []byte // of the dollar quote that is open or may be opening
	maybe bool   // collecting a dollar quote's opening tag
	tail  []byte // the last bytes within a dollar quote

	word   []byte // the identifier being read
	words  int    // identifiers seen in this statement
	create int    // how far "CREATE [OR REPLACE] FUNCTION|PROCEDURE" has got
	begin  int    // depth of BEGIN ATOMIC … END
}

var (
	errBackslash = errors.New("a backslash outside quotes: psql would run it as a command, and pg_dump writes none")
	errTag       = fmt.Errorf("a dollar quote with a tag of more than %d bytes; pg_dump's tags have only a few", maxTag)
	errNUL       = errors.New("a NUL byte, which no dump has: the file was damaged, as by a copy that ended early; copy it again from where it was made")
)

// maxTag bounds a dollar quote's tag, which is compared at every dollar, and
// maxWord what is kept of a word: the ones that matter are shorter.
const maxTag, maxWord = 256, 64

// step takes one byte; done is the statement's last.
func (l *lexer) step(b byte) (done bool, err error) {
	defer func() { l.prev = b }()
	switch l.state {
	case '\'':
		if b == '\'' {
			l.state, l.wasE = 0, false
		}
		return false, nil
	case 'E':
		switch {
		case l.esc:
			l.esc = false
		case b == '\\':
			l.esc = true
		case b == '\'':
			l.state, l.wasE = 0, true
		}
		return false, nil
	case '"':
		if b == '"' {
			l.state = 0
		}
		return false, nil
	case '$':
		l.tail = append(l.tail, b)
		if b == '$' && bytes.HasSuffix(l.tail, l.tag) {
			l.state, l.tail, l.tag = 0, l.tail[:0], nil
		} else if n := len(l.tag); len(l.tail) > 4096+n {
			l.tail = append(l.tail[:0], l.tail[len(l.tail)-n:]...)
		}
		return false, nil
	case '-':
		if b == '\n' || b == '\r' { // either, to PostgreSQL
			l.state = 0
		}
		return false, nil
	case '*':
		switch {
		case l.prev == '*' && b == '/':
			if l.depth--; l.depth == 0 {
				l.state = 0
			}
			b = 0 // "*/*" does not open another one
		case l.prev == '/' && b == '*':
			l.depth++
			b = 0
		}
		return false, nil
	}
	done, err = l.plain(b)
	if l.state == '*' {
		b = 0 // "/*/" opens and does not close
	}
	return done, err
}

// plain is a byte outside of quotes and comments.
func (l *lexer) plain(b byte) (bool, error) {
	if l.maybe {
		switch {
		case b == '$':
			l.tag = append(l.tag, b)
			l.state, l.maybe = '$', false
			return false, nil
		case (identByte(b) || digit(b)) && !(len(l.tag) == 1 && digit(b)):
			if l.tag = append(l.tag, b); len(l.tag) > maxTag {
				return false, errTag
			}
			return false, nil
		}
		l.maybe, l.tag = false, nil
	}
	if identByte(b) || b == '$' && len(l.word) > 0 || len(l.word) > 0 && digit(b) {
		if len(l.word) < maxWord {
			l.word = append(l.word, b)
		}
		return false, nil
	}
	word := l.word
	l.endWord()
	switch b {
	case '\'':
		l.state = '\''
		if len(word) == 1 && (word[0] == 'E' || word[0] == 'e') || l.prev == '\'' && l.wasE {
			l.state, l.esc = 'E', false
		}
	case '"':
		l.state = '"'
	case '$':
		l.maybe, l.tag = true, append([]byte(nil), '$')
	case '-':
		if l.prev == '-' {
			l.state = '-'
		}
	case '*':
		if l.prev == '/' {
			l.state, l.depth = '*', 1
		}
	case '(':
		l.paren++
	case ')':
		if l.paren > 0 {
			l.paren--
		}
	case '\\':
		return false, errBackslash
	case ';':
		return l.paren == 0 && l.begin == 0, nil
	}
	return false, nil
}

// endWord does psql's bookkeeping for SQL-standard function bodies, whose
// semicolons end no statement.
func (l *lexer) endWord() {
	if len(l.word) == 0 {
		return
	}
	w := string(bytes.ToLower(l.word))
	l.word = l.word[:0]
	l.words++
	switch {
	case l.words == 1 && w == "create":
		l.create = 1
	case l.create == 1 && (w == "or" || w == "replace"):
	case l.create == 1 && (w == "function" || w == "procedure"):
		l.create = 2
	case l.create == 1:
		l.create = 0
	case l.create == 2 && l.paren == 0:
		switch w {
		case "begin":
			l.begin++
		case "case":
			if l.begin > 0 {
				l.begin++
			}
		case "end":
			if l.begin > 0 {
				l.begin--
			}
		}
	}
}

// identByte is a byte that starts an identifier or goes on with it; digits and
// dollars only go on.
func identByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '_' || b >= 0x80
}

func digit(b byte) bool { return b >= '0' && b <= '9' }
