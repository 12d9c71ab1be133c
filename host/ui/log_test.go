package ui

import "testing"

// What a container with a terminal said is shown without its colours.
func TestCleanLog(t *testing.T) {
	got := CleanLog("\x1b[2m01:50:53\x1b[0m \x1b[1;91mERR\x1b[0m refused\r\na\x1b]0;title\a\tb\n")
	if want := "01:50:53 ERR refused\na\\x1b]0;title\\x07\tb\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
