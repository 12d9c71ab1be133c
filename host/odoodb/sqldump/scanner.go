// Package sqldump reads what `pg_dump` writes as plain SQL, statement by
// statement, the way psql would: an archive is code that somebody else wrote,
// and what is not understood here is not passed on.
package sqldump

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
)

// Kind says what an Item is.
type Kind int

const (
	// Comment is a "-- …" line between statements.
	Comment Kind = iota
	// Restrict is the dump's \restrict or \unrestrict line.
	Restrict
	// Statement is one SQL statement with its semicolon.
	Statement
	// Copy is a COPY … FROM stdin statement. Its data follow: the caller
	// takes them with CopyData before the next Next.
	Copy
	// Itself is what pg_dump --create says about the database as a whole, and
	// nothing for a database that is there.
	Itself
)

// Item is one thing in a dump. Text is valid until the next call.
type Item struct {
	Kind Kind
	Text []byte
	// Line is where it starts, from 1.
	Line int
}

// Trailer ends what pg_dump wrote to its end.
const Trailer = "-- PostgreSQL database dump complete"

// ErrCutOff is a dump without its trailer.
var ErrCutOff = errors.New("the dump is cut off: its last line, \"" + Trailer + "\", is missing" + another)

// another is the next step for a dump of which a part is missing.
const another = "; use another backup, or dump the database NAME again: pg_dump -Fc -f backup.dump NAME"

// distrusted is the next step for a dump with something in it that pg_dump does not write.
const distrusted = ". If you trust the dump, remove that from it; otherwise dump the database NAME again: pg_dump -Fc -f backup.dump NAME"

// A hostile dump must not make us hold more in memory. Rows (COPY) and comments
// pass through and may be as long as they like; a statement is judged and sent
// as a whole. pg_dump's own are some kilobytes long, with --inserts as long as
// the longest row.
const (
	// MaxStatement is the limit of a statement, in bytes.
	MaxStatement = 16 << 20
	// maxJudged is that of statements which are taken apart to their end. A COPY
	// of 1600 columns, PostgreSQL's limit, has 200 KB.
	maxJudged = 1 << 20
	// maxComment is how much of a comment or backslash line is kept.
	maxComment = 4 << 10
)

// Error is a place in a dump that is refused.
type Error struct {
	Line int
	Why  string
}

func (e *Error) Error() string { return fmt.Sprintf("dump.sql line %d: %s", e.Line, e.Why) }

// IsRefused says whether err is a dump that is refused for what is in it.
func IsRefused(err error) bool {
	var e *Error
	return errors.As(err, &e)
}

// Scanner splits a dump.
type Scanner struct {
	r      *bufio.Reader
	line   int // line number of the next byte
	buf    []byte
	inCopy bool
	// own is what the dump says of the database that it makes itself.
	own itself
	// ended: pg_dump's last line has passed.
	ended  bool
	n      int64
	offset atomic.Int64 // n, published now and then
}

// Read is how many bytes of the dump have been read; any goroutine may ask.
func (s *Scanner) Read() int64 { return s.offset.Load() }

// New reads a dump from r.
func New(r io.Reader) *Scanner {
	return &Scanner{r: bufio.NewReaderSize(r, 1<<18), line: 1}
}

// Reset goes on with another text, as if it were a new scanner's.
func (s *Scanner) Reset(r io.Reader) {
	s.r.Reset(r)
	s.line, s.inCopy, s.ended, s.own = 1, false, false, itself{settled: true}
}

func (s *Scanner) refuse(line int, format string, args ...any) error {
	return &Error{Line: line, Why: fmt.Sprintf(format, args...)}
}

func (s *Scanner) next() (byte, error) {
	b, err := s.r.ReadByte()
	if err != nil {
		return 0, err
	}
	s.n++
	if b == '\n' {
		s.line++
	}
	return b, nil
}

// restOfLine reads up to and including the newline and appends the beginning.
func (s *Scanner) restOfLine(dst []byte) ([]byte, error) {
	room := len(dst) + maxComment
	for {
		chunk, err := s.r.ReadSlice('\n')
		dst = append(dst, chunk[:min(len(chunk), room-len(dst))]...)
		s.n += int64(len(chunk))
		switch {
		case err == nil:
			s.line++
			return dst, nil
		case errors.Is(err, bufio.ErrBufferFull):
			s.offset.Store(s.n)
		case errors.Is(err, io.EOF):
			return dst, nil
		default:
			return nil, err
		}
	}
}

// Next gives the next item, io.EOF at the end of the dump.
func (s *Scanner) Next() (Item, error) {
	if s.inCopy {
		return Item{}, errors.New("sqldump: Next before the data of a COPY were taken")
	}
	s.offset.Store(s.n)
	// What is between statements: blanks, comments, the restrict pair.
	for {
		b, err := s.next()
		if err != nil {
			s.offset.Store(s.n)
			if errors.Is(err, io.EOF) {
				err = cmp.Or(s.settle(nil), err)
			}
			return Item{}, err
		}
		switch b {
		case ' ', '\t', '\r', '\n', ';':
			continue
		}
		start := s.line
		s.buf = append(s.buf[:0], b)
		switch {
		case b == '\\':
			s.buf, err = s.restOfLine(s.buf)
			if err != nil {
				return Item{}, err
			}
			text := bytes.TrimRight(s.buf, "\r\n")
			if bytes.HasPrefix(text, []byte(`\restrict `)) || bytes.HasPrefix(text, []byte(`\unrestrict `)) {
				if !plainToken(text[bytes.IndexByte(text, ' ')+1:]) {
					return Item{}, s.refuse(start, "a \\restrict line unlike those of pg_dump")
				}
				return Item{Restrict, text, start}, nil
			}
			if s.own.connects(text) {
				return Item{Itself, text, start}, nil
			}
			return Item{}, s.refuse(start, "the psql command %.40q: such a command in a dump can run programs on this machine, and pg_dump writes none%s", text, distrusted)
		case b == '-' && s.peek() == '-':
			s.buf, err = s.restOfLine(s.buf)
			if err != nil {
				return Item{}, err
			}
			text := bytes.TrimRight(s.buf, "\r\n")
			s.ended = s.ended || string(text) == Trailer
			return Item{Comment, text, start}, nil
		}
		return s.statement(start)
	}
}

func (s *Scanner) peek() byte {
	b, err := s.r.Peek(1)
	if err != nil {
		return 0
	}
	return b[0]
}

func plainToken(t []byte) bool {
	for _, c := range t {
		if c < '0' || c > '9' && c < 'A' || c > 'Z' && c < 'a' || c > 'z' {
			return false
		}
	}
	return len(t) > 0
}

// statement reads to the semicolon that ends the statement which starts with
// the byte in buf.
func (s *Scanner) statement(start int) (Item, error) {
	var l lexer
	b := s.buf[0]
	for {
		if b == 0 {
			return Item{}, s.noStatement(start, s.line, errNUL.Error())
		}
		done, err := l.step(b)
		if err != nil {
			return Item{}, s.noStatement(start, s.line, err.Error())
		}
		if done {
			break
		}
		if b, err = s.next(); err != nil {
			if errors.Is(err, io.EOF) {
				return Item{}, s.noStatement(start, start, "a statement that does not end; the dump is cut off"+another)
			}
			return Item{}, err
		}
		if s.buf = append(s.buf, b); len(s.buf) > MaxStatement {
			return Item{}, s.refuse(start, "a statement of more than %d MiB, which is the limit: %s", MaxStatement>>20, remedy(s.buf))
		}
	}
	if len(s.buf) > maxJudged && judged(s.buf) {
		return Item{}, s.refuse(start, "%.60q is longer than %d MiB, and pg_dump writes no statement that long", s.buf, maxJudged>>20)
	}
	if beyond(s.buf) {
		if s.own.names(s.buf, start) {
			return Item{Itself, s.buf, start}, nil
		}
		return Item{}, s.refuseBeyond(start, s.buf)
	}
	if s.own.unmarks(s.buf) {
		return Item{Itself, s.buf, start}, nil
	}
	if err := s.settle(s.buf); err != nil {
		return Item{}, err
	}
	if startsWithBOM(s.buf) {
		return Item{}, s.refuse(start, "a byte order mark, which psql accepts and PostgreSQL does not")
	}
	if !isCopy(s.buf) {
		return Item{Statement, s.buf, start}, nil
	}
	if !isCopyFromStdin(s.buf) {
		return Item{}, s.refuse(start, "%.60q: only pg_dump's own COPY … FROM stdin is accepted%s", s.buf, distrusted)
	}
	// psql goes on with the rest of the line after the data: there must be none.
	n := len(s.buf)
	rest, err := s.restOfLine(s.buf)
	if err != nil {
		return Item{}, err
	}
	s.buf = rest
	if len(bytes.TrimRight(rest[n:], "\r\n")) > 0 {
		return Item{}, s.refuse(start, "text after COPY … FROM stdin;, which pg_dump does not write%s", distrusted)
	}
	s.inCopy = true
	return Item{Copy, rest[:n], start}, nil
}

// noStatement is the error of what begins in line start and is not a statement. Behind
// the end of a dump it is no part of it: what a program said, say, or a disk's padding.
func (s *Scanner) noStatement(start, line int, why string) error {
	if s.ended {
		return s.refuse(start, "after the dump's last line (%s) comes %q, which pg_dump does not write; remove it, and the dump is complete", Trailer, bytes.TrimSpace(s.buf[:min(len(s.buf), 60)]))
	}
	return s.refuse(line, "%s", why)
}

// judged says whether somebody reads a statement to its end.
func judged(stmt []byte) bool {
	return slices.Contains([]string{"copy", "grant", "revoke", "security", "alter"}, t0(Tokens(stmt, 1)))
}

func remedy(stmt []byte) string {
	if t0(Tokens(stmt, 1)) == "insert" {
		return "make the backup without --inserts; rows of COPY may have any length"
	}
	return "pg_dump writes none this long"
}

// CopyData passes the rows of the COPY on to w, without the line "\." that
// ends them.
func (s *Scanner) CopyData(w io.Writer) error {
	start := s.line
	s.inCopy = false
	fresh := true // at the start of a line
	for {
		chunk, err := s.r.ReadSlice('\n')
		s.n += int64(len(chunk))
		s.offset.Store(s.n)
		full := errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !full {
			if errors.Is(err, io.EOF) {
				return s.refuse(start, "the data of a COPY does not end; the dump is cut off"+another)
			}
			return err
		}
		if fresh && len(chunk) <= 4 && chunk[0] == '\\' {
			if t := bytes.TrimRight(chunk, "\r\n"); len(t) == 2 && t[1] == '.' {
				s.line++
				return nil
			}
		}
		if bytes.IndexByte(chunk, 0) >= 0 {
			return s.refuse(s.line, "%v", errNUL)
		}
		if _, err := w.Write(chunk); err != nil {
			return err
		}
		if fresh = !full; fresh {
			s.line++
		}
	}
}
