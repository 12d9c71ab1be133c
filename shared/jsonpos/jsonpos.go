// Package jsonpos says where in a JSON text something is, for the person who
// corrects it: a line and a column.
package jsonpos

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/odpm/odpm/shared/utf16text"
)

// Place is a line and a column, both from 1; a column counts characters. The zero
// value is unknown.
type Place struct{ Line, Column int }

// String is "line 3, column 5: ", to be put before a message; "" for unknown.
func (p Place) String() string {
	if p.Line == 0 {
		return ""
	}
	return fmt.Sprintf("line %d, column %d: ", p.Line, p.Column)
}

// At is the place of the byte at an offset from 0.
func At(text []byte, offset int) Place {
	before := text[:max(0, min(offset, len(text)))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return Place{1 + bytes.Count(before, []byte("\n")), 1 + utf8.RuneCount(bytes.TrimPrefix(before[start:], []byte("\ufeff")))}
}

// Value is where the value begins that members lead to, a list's by their
// numbers. Where one is not there it is the value before it. A member that
// appears twice counts where it appears last, as its value does.
func Value(text []byte, path ...string) Place {
	_, value := find(text, path)
	return At(text, value)
}

// Key is where the name of such a member begins.
func Key(text []byte, path ...string) Place {
	key, _ := find(text, path)
	return At(text, key)
}

// find gives offsets. What is no JSON ends the search.
func find(text []byte, path []string) (key, value int) {
	start := len(text) - len(bytes.TrimPrefix(text, []byte("\ufeff")))
	start += blank(text[start:])
	key, value = start, start
	for _, name := range path {
		k, v, ok := member(text, value, name)
		if !ok {
			return key, value
		}
		key, value = k, v
	}
	return key, value
}

// member looks for one in the object or the list that begins at an offset.
func member(text []byte, at int, name string) (key, value int, ok bool) {
	dec := json.NewDecoder(bytes.NewReader(text[at:]))
	open, err := dec.Token()
	if err != nil || open != json.Delim('{') && open != json.Delim('[') {
		return 0, 0, false
	}
	for i := 0; dec.More(); i++ {
		here, is := at+int(dec.InputOffset()), name == strconv.Itoa(i)
		here += blank(text[here:])
		k := here
		if open == json.Delim('{') {
			token, err := dec.Token()
			if err != nil {
				break
			}
			is = token == name
			here = at + int(dec.InputOffset())
			here += blank(text[here:])
		}
		if is {
			key, value, ok = k, here, true
		}
		var skipped json.RawMessage
		if dec.Decode(&skipped) != nil {
			break
		}
	}
	return key, value, ok
}

// blank is how many bytes stand before the next key or value.
func blank(text []byte) int { return len(text) - len(bytes.TrimLeft(text, " \t\r\n,:")) }

// Unmarshal is json.Unmarshal, whose errors say where in a person's words.
func Unmarshal(text []byte, into any) error {
	err := json.Unmarshal(text, into)
	if err == nil {
		return nil
	}
	want := object
	if reflect.TypeOf(into).Elem().Kind() == reflect.Slice {
		want = list
	}
	place, why := explain(text, err, want)
	return fmt.Errorf("%s%s", place, why)
}

// What a text as a whole has to be.
const object, list = "a JSON object", "a JSON list"

// Explain says where and why encoding/json did not take a text for an object,
// without Go's words for it.
func Explain(text []byte, err error) (Place, string) { return explain(text, err, object) }

func explain(text []byte, err error, want string) (Place, string) {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	end := len(bytes.TrimRight(text, " \t\r\n"))
	switch {
	case utf16text.Is(text):
		return Place{}, utf16text.Why
	case len(bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff")))) == 0:
		return Place{}, "the file is empty; allowed: " + want
	case errors.As(err, &kind) && kind.Field == "":
		return Value(text), "found " + an(kind.Value) + "; allowed: " + want
	case errors.As(err, &kind):
		return Value(text, strings.Split(kind.Field, ".")...), fmt.Sprintf("%s is %s; allowed: %s", kind.Field, an(kind.Value), kinds(kind))
	case errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &syntax) && syntax.Error() == "unexpected end of JSON input":
		return At(text, end), "not " + want + ": the file ends here, and a bracket or a quote is still open"
	case errors.As(err, &syntax):
		return At(text, int(syntax.Offset)-1), "not " + want + ": " + plain(syntax)
	}
	return Place{}, "not " + want + ": " + err.Error()
}

// expected is what a person would have to write, by encoding/json's words for where
// it stopped.
var expected = []struct{ where, say string }{
	{" after object key:value pair", "expected a comma or }, found "},
	{" after object key", "expected a colon, found "},
	{" looking for beginning of object key string", "expected a name in double quotes, found "},
	{" after array element", "expected a comma or ], found "},
	{" looking for beginning of value", "expected a value, found "},
	{" after top-level value", "expected the end of the file, found "},
}

// plain says what is wrong with a text that is not JSON.
func plain(err *json.SyntaxError) string {
	said := strings.TrimPrefix(err.Error(), "json: ")
	if found, ok := strings.CutPrefix(said, "invalid character "); ok {
		for _, e := range expected {
			if found, ok := strings.CutSuffix(found, e.where); ok {
				return e.say + found
			}
		}
	}
	return said
}

// an puts an article before the name of a kind of value.
func an(kind string) string {
	switch kind {
	case "bool":
		return "true or false"
	case "array":
		return "a list"
	case "object":
		return "an object"
	}
	if strings.Contains(kind, " ") {
		return "the " + kind // number 1.5
	}
	return "a " + kind
}

// kinds is what Go's type takes.
func kinds(e *json.UnmarshalTypeError) string {
	switch name := e.Type.Kind().String(); {
	case strings.HasPrefix(name, "int"), strings.HasPrefix(name, "uint"):
		return "a whole number"
	case strings.HasPrefix(name, "float"):
		return "a number"
	case name == "bool":
		return "true or false"
	case name == "slice", name == "array":
		return "a list"
	case name == "string":
		return "a string"
	}
	return "an object"
}
