package shell

import "testing"

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{"odoo": "odoo", "a b": "'a b'", "it's": `'it'\''s'`, "": "''", "$x": "'$x'"} {
		if got := Quote(in); got != want {
			t.Errorf("%q: %s", in, got)
		}
	}
}
