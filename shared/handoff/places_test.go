package handoff_test

import (
	"strings"
	"testing"

	"github.com/odpm/odpm/shared/handoff"
)

// TestPlaces: a broken checker.json is reported with the line and the column in
// that file, in the candidate, too.
func TestPlaces(t *testing.T) {
	c := candidate()
	id, _ := handoff.Identify(&c, nil)
	good, err := (&handoff.Handoff{ID: id, Candidate: c, OdooMajor: 18}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []struct{ from, to, want string }{
		{`"version": 1,`, `"version": 1`, `line 3, column 3: not a JSON object: expected a comma or }, found '"'`},
		{`"version": 1,`, `"version": "1",`, `line 2, column 14: version is a string; allowed: a whole number`},
		{`"version": 1,`, `"version": 2,`, `line 2, column 14: version 2, this program knows 1`},
		{`"odoo_major": 18`, `"odoo_major": -18`, `line 4, column 17: odoo_major is -18`},
		{`"id": "`, `"x": "`, `line 1, column 1: id is missing`},
		{`"candidate": {`, `"candidate": null, "x": {`, `line 5, column 16: candidate is missing`},
		{`"candidate": {`, `"candidate": [], "x": {`, `line 5, column 16: not a JSON object`},
		{`"host_port": 5432`, `"host_port": "5432"`, `line 12, column 20: compose.host_port is "\"5432\"", expected a whole number`},
		{`"host_port": 5432`, `"host_port": 99999`, `line 12, column 20: compose.host_port is 99999, allowed: 1 to 65535`},
		{`"engine": "postgres",`, `"engine": "postgres", "engine": "x",`, `line 16, column 37: member "engine" appears twice`},
		{"}\n", "}\n{", "column 1: something follows the object"},
	} {
		text := strings.Replace(string(good), b.from, b.to, 1)
		if b.from == "}\n" {
			text = string(good) + "{"
		}
		if _, err := handoff.Decode([]byte(text)); err == nil || !strings.Contains(err.Error(), b.want) {
			t.Errorf("%s: %v, want %s", b.to, err, b.want)
		}
	}
	if t.Failed() {
		t.Log(string(good))
	}
}
