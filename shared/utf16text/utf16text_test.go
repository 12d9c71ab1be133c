package utf16text

import "testing"

func TestIs(t *testing.T) {
	for in, want := range map[string]string{
		"\xff\xfe{\x00}\x00": "UTF-16",
		"\xfe\xff\x00{\x00}": "UTF-16",
		"\xff\xfe":           "UTF-16",
		"{\x00}\x00":         "UTF-16LE",
		"\x00{\x00}":         "UTF-16BE",
		"\xef\xbb\xbf{}":     "",
		"{}":                 "",
		"\x00\x00\x00":       "",
		"\xff\xe4":           "",
		"[\x00op":            "", // one zero byte of a broken file
		"\x00[o\x00":         "",
		"a":                  "",
		"":                   "",
	} {
		got := ""
		if Is([]byte(in)) {
			got = Encoding([]byte(in))
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
