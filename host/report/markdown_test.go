package report

import "testing"

// TestMarkdownCode: no value ends the code that it stands in.
func TestMarkdownCode(t *testing.T) {
	for text, want := range map[string]string{
		"5432": "`5432`", "": "", "a|b": "`a\\|b`", "a`b": "`` a`b ``", "@all <b>": "`@all <b>`", "two\nlines": "`two\\x0alines`", "``": "``` `` ```",
	} {
		if got := cell(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{"a\nb\n": "```text\na\nb\n```", "```\nx": "````text\n```\nx\n````"} {
		if got := block("text", text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
