package report

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/odpm/odpm/shared/redact"
)

// Diff is a change of a file, with secrets masked.
type Diff struct {
	// Path is relative to the project where the file is in it.
	Path string
	// Summary is "(+2 -2)".
	Summary string
	// Unified is a unified diff, without the two file lines.
	Unified string
}

// diffFiles compares what is there (nil: nothing) with what would be.
func diffFiles(path string, old, new []byte) *Diff {
	if old != nil && bytes.Equal(old, new) {
		return nil
	}
	a, b := redact.Text(string(old)), redact.Text(string(new))
	text := udiff.Unified(path, path, a, b)
	if a == b {
		// Only a masked value differs.
		return &Diff{Path: path, Summary: "(a secret changes)", Unified: ""}
	}
	lines := strings.SplitAfter(text, "\n")
	plus, minus := 0, 0
	var body strings.Builder
	for i, l := range lines {
		if i < 2 && (strings.HasPrefix(l, "--- ") || strings.HasPrefix(l, "+++ ")) {
			continue
		}
		switch {
		case strings.HasPrefix(l, "+"):
			plus++
		case strings.HasPrefix(l, "-"):
			minus++
		}
		body.WriteString(l)
	}
	return &Diff{Path: path, Summary: fmt.Sprintf("(+%d -%d)", plus, minus), Unified: body.String()}
}
