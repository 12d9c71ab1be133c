package odoodb

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

func (e *nameError) Error() string { return fmt.Sprintf("database name %q: %s", e.name, e.why) }

// checkName refuses names that PostgreSQL would cut, and those that cannot be
// a directory below filestore/.
func checkName(name string) error {
	switch {
	case name == "":
		return &nameError{name, "is empty"}
	case len(name) > maxName:
		return &nameError{name, fmt.Sprintf("is %d bytes long; PostgreSQL cuts names at %d bytes, and the cut name may be another database", len(name), maxName)}
	case !utf8.ValidString(name):
		return &nameError{name, "is not UTF-8"}
	case name == "." || name == "..", strings.ContainsAny(name, "/\x00"):
		return &nameError{name, "cannot be the name of a file store directory (no slash, no NUL, not . or ..)"}
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return &nameError{name, "contains a control character"}
	}
	return nil
}

// CheckName says what is wrong with the name of a database that is worked on,
// CheckNewName with one that odpm may have to make.
func CheckName(name string) error    { return checkName(name) }
func CheckNewName(name string) error { return checkNew(name) }

// odooName is what Odoo's database manager accepts (DBNAME_PATTERN of
// addons/web/controllers/database.py, 10.0 to 19.0).
var odooName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)

// CheckOdooName refuses, for a database that is to be made, a name with which
// Odoo's own manager could neither back it up nor drop it. Databases that have
// such a name are worked on all the same.
func CheckOdooName(name string) error {
	if !odooName.MatchString(name) {
		return &nameError{name, "is refused by Odoo's own database manager, so no database of it is made; it takes two or more letters (a-z, A-Z), digits, '_', '.' and '-', a letter or digit first; choose another one with -d"}
	}
	return nil
}

// checkTarget also refuses PostgreSQL's own databases.
func checkTarget(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	switch name {
	case "postgres", "template0", "template1":
		return &nameError{name, "belongs to PostgreSQL itself; choose another one with -d"}
	}
	return nil
}

// checkNew also refuses the names that odpm gives to unfinished work: such a
// database would be listed as left over, and hidden directories beside it too.
func checkNew(name string) error {
	if isLeftOver(name) {
		return &nameError{name, "is of the kind that odpm gives to unfinished work; choose another one with -d"}
	}
	return checkTarget(name)
}

// token is random and fits into every name.
func token() string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// filestore is where Odoo keeps a database's attachments, to show.
func (s *Server) filestore(database string) string { return s.Files.Path(database) }

// newUUID is a random (version 4) UUID.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
