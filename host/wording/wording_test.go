package wording

import "testing"

func TestLastLines(t *testing.T) {
	for in, want := range map[string]string{"": "", "a\n": "a", "a\nb\nc\n\n": "b\nc"} {
		if got := LastLines(in, 2); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestTail(t *testing.T) {
	tail := Tail{Max: 4}
	for _, s := range []string{"ab", "cde", "f"} {
		if n, err := tail.Write([]byte(s)); n != len(s) || err != nil {
			t.Errorf("%q: %d %v", s, n, err)
		}
	}
	if got := tail.String(); got != "cdef" {
		t.Error(got)
	}
}

func TestWrap(t *testing.T) {
	for text, want := range map[string]string{
		"":                 "",
		"one":              "  one",
		"one two  three":   "  one two\n  three",
		"a verylongword b": "  a\n  verylongword\n  b",
		"äöü äöü äö":       "  äöü äöü\n  äö",
	} {
		if got := Wrap(text, 10, "  "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
