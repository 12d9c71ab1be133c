// Package odooconf reads odoo.conf exactly as Odoo does, with Python's
// configparser.RawConfigParser, and edits it so that every other line, comment
// and order of the person's file stays byte for byte.
//
// RawConfigParser's rules (Lib/configparser.py): "=" and ":" separate, "#" and
// ";" start a comment only at the start of a line, an indented line continues
// a value, empty lines inside a value belong to it, option names are lower
// case, a section or option that appears twice is an error, "%" is plain text.
// Odoo reads [options], which inherits from [DEFAULT].
package odooconf

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/odpm/odpm/shared/regular"
	"github.com/odpm/odpm/shared/shell"
	"github.com/odpm/odpm/shared/utf16text"
)

// Section is the only section Odoo reads.
const Section = "options"

// MaxSize bounds a file; a real odoo.conf has a few kilobytes.
const MaxSize = 1 << 20

var tooLarge = fmt.Sprintf("larger than %d bytes", MaxSize)

// SyntaxError is a line that RawConfigParser refuses; Odoo would not start.
type SyntaxError struct {
	Path string
	Line int
	Msg  string
	// way is a format for a command that helps and the path in it, "" for none.
	way string
}

func (e *SyntaxError) Error() string {
	where := e.Path
	if where == "" {
		where = "odoo.conf"
	}
	msg := fmt.Sprintf("%s:%d: %s", where, e.Line, e.Msg)
	if e.way != "" {
		msg += fmt.Sprintf(e.way, shell.Quote(where))
	}
	return msg
}

// File is a parsed odoo.conf that remembers its bytes.
type File struct {
	data    []byte
	lines   []line
	options map[string]*option
	// order of the options in [options], for Keys.
	order []string
	// sectionLine is [options]'s own line number, 0 without one.
	sectionLine int
	// lastLine is the last line of [options] that is not blank.
	lastLine int
}

// option is one value with the lines it stands on.
type option struct {
	value string
	// first is the line "name = …"; more are its continuation lines.
	first int
	more  []int
	// inherited from [DEFAULT]
	inherited bool
}

// Load reads and parses path. A missing file gives os.ErrNotExist.
func Load(path string) (*File, error) {
	data, err := regular.Read(path, MaxSize)
	if errors.Is(err, regular.ErrTooLarge) {
		return nil, &SyntaxError{Path: path, Line: 1, Msg: tooLarge}
	}
	if err != nil {
		return nil, err
	}
	file, err := Parse(data)
	var syntax *SyntaxError
	if errors.As(err, &syntax) {
		syntax.Path = path
	}
	return file, err
}

// Parse reads the bytes of an odoo.conf.
func Parse(data []byte) (*File, error) {
	if len(data) > MaxSize {
		return nil, &SyntaxError{Line: 1, Msg: tooLarge}
	}
	if utf16text.Is(data) {
		return nil, &SyntaxError{Line: 1, Msg: "the file is in UTF-16, which Odoo does not read",
			way: "; to convert it: cp -p %[1]s %[1]s.orig && iconv -f " + utf16text.Encoding(data) + " -t UTF-8 %[1]s.orig > %[1]s"}
	}
	if at := invalid(data); at >= 0 {
		return nil, &SyntaxError{Line: len(split(data[:at+1])), Msg: "not UTF-8, which Odoo does not accept either",
			way: "; if it was written in a Western encoding: cp -p %[1]s %[1]s.orig && iconv -f CP1252 -t UTF-8 %[1]s.orig > %[1]s"}
	}
	f := &File{data: append([]byte(nil), data...), lines: split(data)}
	return f, f.parse()
}

// invalid is where data stops being UTF-8, -1 if it does not.
func invalid(data []byte) int {
	for at := 0; at < len(data); {
		r, n := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && n == 1 {
			return at
		}
		at += n
	}
	return -1
}

// Bytes are the file as it was read.
func (f *File) Bytes() []byte { return append([]byte(nil), f.data...) }

// Get gives a value as it stands, and whether it stands at all.
func (f *File) Get(key string) (string, bool) {
	o := f.options[strings.ToLower(key)]
	if o == nil {
		return "", false
	}
	return o.value, true
}

// Value follows Odoo: False, false and an empty value mean unset; None only
// from Odoo 19 on. odooMajor 0 (unknown) is read like 18.
func (f *File) Value(key string, odooMajor int) (string, bool) {
	v, ok := f.Get(key)
	if !ok || Unset(v, odooMajor) {
		return "", false
	}
	return v, true
}

// Unset tells whether Odoo takes a value for "not set".
func Unset(v string, odooMajor int) bool {
	return v == "" || v == "False" || v == "false" || (v == "None" && odooMajor >= 19)
}

// Int reads a value as a whole number; ok is false where it is unset.
func (f *File) Int(key string, odooMajor int) (n int, ok bool, err error) {
	v, ok := f.Value(key, odooMajor)
	if !ok {
		return 0, false, nil
	}
	n, err = strconv.Atoi(v)
	if err != nil {
		return 0, true, &SyntaxError{Line: f.Line(key), Msg: fmt.Sprintf("%s is %q, expected a whole number", key, v)}
	}
	return n, true, nil
}

// Keys lists the options of [options] in the order of the file.
func (f *File) Keys() []string { return append([]string(nil), f.order...) }

// Line is where an option stands, 0 for one that does not.
func (f *File) Line(key string) int {
	if o := f.options[strings.ToLower(key)]; o != nil {
		return o.first
	}
	return 0
}
