// Package wording makes text fit to be shown: secrets masked, the last of what
// a program wrote. It writes nothing itself, so that
// every layer may use it; host/ui does the writing.
package wording

import (
	"bytes"
	"strings"

	"github.com/odpm/odpm/shared/redact"
)

// OrUnset says so where there is no value.
func OrUnset(v string) string {
	if v == "" {
		return "(not set)"
	}
	return v
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
