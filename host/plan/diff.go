package plan

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/aymanbagabas/go-udiff"
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
	a, b := mask(string(old)), mask(string(new))
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

// secretLine finds a key whose value must not be shown: db_password and
// admin_passwd in odoo.conf, POSTGRES_PASSWORD and its kin in a compose file,
// a list item "- PASSWORD=x" too. A path to a secret's file is no secret.
var secretLine = regexp.MustCompile(`(?i)^([\s-]*["']?[\w.-]*(?:pass|passwd|password|pwd|secret|token|api_?key)[\w.-]*["']?\s*[:=]\s*)(\S.*?)(\r?)$`)

var noSecret = regexp.MustCompile(`(?i)(_file\b|secrets?["']?\s*:\s*$|_file["']?\s*[:=])`)

// url credentials: scheme://user:password@host
var urlSecret = regexp.MustCompile(`(://[^:/\s@]+:)[^@\s]+@`)

func mask(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if m := secretLine.FindStringSubmatch(l); m != nil && !noSecret.MatchString(m[1]) {
			l = m[1] + "***" + m[3]
		}
		lines[i] = urlSecret.ReplaceAllString(l, "${1}***@")
	}
	return strings.Join(lines, "\n")
}
