package archive

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What a name in an archive may be. Odoo's have 43 bytes and two levels
// ("ab/abcdef…"); the limits are those of the file systems that files are
// restored to, and of common sense.
const (
	maxName      = 1024
	maxComponent = 255
	maxDepth     = 32
	// maxFolders bounds memory; Odoo's file store has 256.
	maxFolders = 1 << 16
)

// cleanName gives the relative path that a name in an archive is, or says why
// no file can have it. A backslash is a slash: zips made on Windows have them,
// and unzip reads them so. Folders are without their final slash; "." is the
// archive's root.
func cleanName(raw string) (string, error) {
	name := strings.TrimSuffix(strings.ReplaceAll(raw, `\`, "/"), "/")
	for strings.HasPrefix(name, "./") {
		name = name[2:]
	}
	switch {
	case raw == "":
		return "", errors.New("contains an entry without a name")
	case name == ".":
		return ".", nil
	case name == "" || name[0] == '/':
		return "", fmt.Errorf("contains the absolute path %q, which leads out of the directory it would be unpacked into", short(raw))
	case len(name) > maxName:
		return "", fmt.Errorf("contains a name of %d bytes, %q; Odoo's files have names of at most %d", len(name), short(raw), maxName)
	case !utf8.ValidString(name):
		return "", fmt.Errorf("contains the name %q, which is not UTF-8", short(raw))
	case strings.ContainsFunc(name, unicode.IsControl):
		return "", fmt.Errorf("contains the name %q, which has control characters", short(raw))
	case strings.Count(name, "/") >= maxDepth:
		return "", fmt.Errorf("contains %q, which is more than %d folders deep", short(raw), maxDepth)
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "..":
			return "", fmt.Errorf("contains the path %q, which leads out of the directory it would be unpacked into", short(raw))
		case part == "" || part == ".":
			return "", fmt.Errorf("contains the path %q, which no file can have (%q is not a name)", short(raw), part)
		case len(part) > maxComponent:
			return "", fmt.Errorf("contains %q, a name of %d bytes; file systems allow %d", short(raw), len(part), maxComponent)
		}
	}
	return name, nil
}

// short is a name for a message.
func short(name string) string {
	const n = 80
	if len(name) <= n {
		return name
	}
	return strings.ToValidUTF8(name[:n], "") + "…"
}
