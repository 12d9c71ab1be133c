package server

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// maxName is NAMEDATALEN-1: PostgreSQL cuts a longer name silently, so that a
// statement about "…_old" can hit the database it was derived from.
const maxName = 63

// nameError is a database name that cannot be used.
type nameError struct{ name, why string }

func (e *nameError) Error() string { return fmt.Sprintf("database name %q %s", e.name, e.why) }

// CheckName says what is wrong with the name of a database that is worked on: one
// that PostgreSQL would cut, or that cannot be a directory below filestore/.
func CheckName(name string) error {
	switch {
	case name == "":
		return &nameError{name, "is empty"}
	case len(name) > maxName:
		return &nameError{name, fmt.Sprintf("is %d bytes long; PostgreSQL truncates names to %d bytes, and the truncated name may be another database", len(name), maxName)}
	case !utf8.ValidString(name):
		return &nameError{name, "is not UTF-8"}
	case name == "." || name == "..", strings.ContainsAny(name, "/\x00"):
		return &nameError{name, "cannot be the name of a file store directory (no slash, no NUL, not . or ..)"}
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return &nameError{name, "contains a control character"}
	}
	return nil
}

// odooName is what Odoo's database manager accepts (DBNAME_PATTERN of
// addons/web/controllers/database.py, 10.0 to 19.0).
var odooName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)

// CheckOdooName refuses, for a database that is to be made, a name with which
// Odoo's own manager could neither back it up nor drop it. Databases that have
// such a name are worked on anyway.
func CheckOdooName(name string) error {
	if !odooName.MatchString(name) {
		return &nameError{name, "is not one that Odoo's own database manager accepts; with -d choose one of two or more letters (a-z, A-Z), digits, '_', '.' and '-', starting with a letter or digit"}
	}
	return nil
}

// CheckTarget also refuses PostgreSQL's own databases.
func CheckTarget(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	switch name {
	case "postgres", "template0", "template1":
		return &nameError{name, "belongs to PostgreSQL itself; choose another one with -d"}
	}
	return nil
}

// CheckNewName is for a database that odpm may have to make. It also refuses the names
// that odpm gives to unfinished work: such a database would be listed as left over,
// and hidden directories beside it too.
func CheckNewName(name string) error {
	if IsLeftOver(name) {
		return &nameError{name, "is reserved by odpm for unfinished work; choose another one with -d"}
	}
	return CheckTarget(name)
}

// Token is random and fits into every name.
func Token() string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// HiddenPrefix starts the names of databases that odpm makes for itself.
const HiddenPrefix = "odpm_"

// leftOverName is what restores and backups make.
var leftOverName = regexp.MustCompile(`^` + HiddenPrefix + `[0-9a-f]{16}(_old)?$`)

// IsLeftOver knows the names that odpm gives to unfinished work: of databases, and of
// directories beside file stores.
func IsLeftOver(name string) bool {
	return strings.HasPrefix(name, HiddenPrefix) && leftOverName.MatchString(name)
}
