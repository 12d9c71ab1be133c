package jsonpos_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/odpm/odpm/shared/jsonpos"
	"github.com/odpm/odpm/shared/utf16text"
)

const text = "\ufeff{\n  \"a\": {\"b\": \"ü\", \"c\": [1,\n    {\"d\": true}]},\n  \"e\"  :\n    5, \"f\": 1, \"f\": 2\n}\n"

func TestPlaces(t *testing.T) {
	for path, want := range map[string]struct{ key, value jsonpos.Place }{
		"":        {jsonpos.Place{1, 1}, jsonpos.Place{1, 1}},
		"a":       {jsonpos.Place{2, 3}, jsonpos.Place{2, 8}},
		"a.b":     {jsonpos.Place{2, 9}, jsonpos.Place{2, 14}},
		"a.c":     {jsonpos.Place{2, 19}, jsonpos.Place{2, 24}},
		"a.c.1.d": {jsonpos.Place{3, 6}, jsonpos.Place{3, 11}},
		"e":       {jsonpos.Place{4, 3}, jsonpos.Place{5, 5}},
		"f":       {jsonpos.Place{5, 16}, jsonpos.Place{5, 21}}, // the last one
		"a.x":     {jsonpos.Place{2, 3}, jsonpos.Place{2, 8}},   // what it is not in
		"e.x":     {jsonpos.Place{4, 3}, jsonpos.Place{5, 5}},
	} {
		var names []string
		if path != "" {
			names = strings.Split(path, ".")
		}
		if got := jsonpos.Key([]byte(text), names...); got != want.key {
			t.Errorf("%s: the key is at %v, want %v", path, got, want.key)
		}
		if got := jsonpos.Value([]byte(text), names...); got != want.value {
			t.Errorf("%s: the value is at %v, want %v", path, got, want.value)
		}
	}
}

func TestExplain(t *testing.T) {
	for in, want := range map[string]string{
		"{\n  \"name\": 5}":                  "line 2, column 11: name is a number; allowed: a string",
		"{\n  \"in\": {\n \"port\": \"x\"}}": "line 3, column 10: in.port is a string; allowed: a whole number",
		"{\"in\": {\"port\": 1.5}}":          "line 1, column 17: in.port is the number 1.5; allowed: a whole number",
		"{\"list\": {}}":                     "line 1, column 10: list is an object; allowed: a list",
		"{\"yes\": []}":                      "line 1, column 9: yes is a list; allowed: true or false",
		"{\"in\": false}":                    "line 1, column 8: in is true or false; allowed: an object",
		" [1]":                               "line 1, column 2: found a list; allowed: a JSON object",
		"":                                   "the file is empty; allowed: a JSON object",
		"\xff\xfe{\x00}\x00":                 utf16text.Why,
		"\x00{\x00}":                         utf16text.Why,
		"{\"name\": \"x\",\n}":               "line 2, column 1: not a JSON object: expected a name in double quotes, found '}'",
		"{\"name\" \"x\"}":                   "line 1, column 9: not a JSON object: expected a colon, found '\"'",
		"{\"name\": x}":                      "line 1, column 10: not a JSON object: expected a value, found 'x'",
		"{\"name\": [1 2]}":                  "line 1, column 13: not a JSON object: expected a comma or ], found '2'",
		"{\"name\": \"ü\",\n \"in\": {\"port\"\n": "line 2, column 15: not a JSON object: the file ends here, and a bracket or a quote is still open",
	} {
		var doc struct {
			Name string `json:"name"`
			In   struct {
				Port int `json:"port"`
			} `json:"in"`
			List []string `json:"list"`
			Yes  bool     `json:"yes"`
		}
		err := json.Unmarshal([]byte(in), &doc)
		if err == nil {
			t.Fatal(in)
		}
		place, why := jsonpos.Explain([]byte(in), err)
		if got := place.String() + why; got != want {
			t.Errorf("%q:\n got %s\nwant %s", in, got, want)
		}
	}
}

// TestUnmarshal: a list is asked for where a list is read.
func TestUnmarshal(t *testing.T) {
	var list []struct {
		Kind string `json:"kind"`
	}
	var object map[string]string
	for _, c := range []struct {
		in, want string
		into     any
	}{
		{"[\n {\"kind\": \"x\"}\n]", "", &list},
		{"", "the file is empty; allowed: a JSON list", &list},
		{" {}", "line 1, column 2: found an object; allowed: a JSON list", &list},
		{"[\n {\"kind\" 5}]", "line 2, column 10: not a JSON list: expected a colon, found '5'", &list},
		{"[]", "line 1, column 1: found a list; allowed: a JSON object", &object},
	} {
		err := jsonpos.Unmarshal([]byte(c.in), c.into)
		if got := fmt.Sprint(err); got != c.want && (c.want != "" || err != nil) {
			t.Errorf("%q: %s, want %s", c.in, got, c.want)
		}
	}
}
