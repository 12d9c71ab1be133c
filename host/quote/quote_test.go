package quote_test

import (
	"testing"

	"github.com/odpm/odpm/host/quote"
)

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"plain": `'plain'`, "it's": `'it''s'`, `a\b`: `E'a\\b'`, `a\'b`: `E'a\\''b'`, "": `''`, "a\x00b": `'ab'`,
	} {
		if got := quote.Literal(in); got != want {
			t.Errorf("%q: %s, wanted %s", in, got, want)
		}
	}
	if got := quote.Ident(`o"do`); got != `"o""do"` {
		t.Error(got)
	}
	if got := quote.Ident("public", `o"do`); got != `"public"."o""do"` {
		t.Error(got)
	}
}
