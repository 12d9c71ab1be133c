// Package wording makes text fit to be shown: secrets masked, the last of what
// a program wrote. It writes nothing itself, so that
// every layer may use it; host/ui does the writing.
package wording

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/odpm/odpm/shared/redact"
)

// OrUnset says so where there is no value.
func OrUnset(v string) string {
	if v == "" {
		return "(not set)"
	}
	return v
}

// Wrap breaks one paragraph at words, so that no line is wider than width where
// its words allow that; each begins with indent.
func Wrap(text string, width int, indent string) string {
	var b strings.Builder
	at := 0
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
			b.WriteString(indent)
			at = utf8.RuneCountInString(indent)
		case at+1+n > width:
			b.WriteString("\n" + indent)
			at = utf8.RuneCountInString(indent)
		default:
			b.WriteString(" ")
			at++
		}
		b.WriteString(word)
		at += n
	}
	return b.String()
}

// LastLines are the last n lines of what a program wrote, without the final
// newlines and without what looks like a secret.
func LastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return redact.Text(strings.Join(lines, "\n"))
}

// Tail is a writer that keeps the last Max bytes of what a program wrote.
type Tail struct {
	Max int
	b   bytes.Buffer
}

func (t *Tail) Write(p []byte) (int, error) {
	t.b.Write(p)
	if over := t.b.Len() - t.Max; over > 0 {
		t.b.Next(over)
	}
	return len(p), nil
}

func (t *Tail) String() string { return t.b.String() }

// ErrTooMuch: a program wrote more than its answer can have.
var ErrTooMuch = errors.New("it wrote more than")

// Answer is a writer that keeps what a program wrote, all of it, and takes no
// more than Max bytes.
type Answer struct {
	Max int
	// Full is called once there is more; may be nil.
	Full func(error)
	b    bytes.Buffer
	err  error
}

func (a *Answer) Write(p []byte) (int, error) {
	if a.err == nil && a.b.Len()+len(p) > a.Max {
		a.err = fmt.Errorf("%w the %d bytes that an answer may have", ErrTooMuch, a.Max)
		if a.Full != nil {
			a.Full(a.err)
		}
	}
	if a.err != nil {
		return 0, a.err
	}
	return a.b.Write(p)
}

// Err tells that there was more.
func (a *Answer) Err() error { return a.err }

func (a *Answer) Bytes() []byte  { return a.b.Bytes() }
func (a *Answer) String() string { return a.b.String() }
