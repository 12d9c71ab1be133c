package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestDraw: the picture is XML that parses, has what was recorded, and no line
// that is wider than it.
func TestDraw(t *testing.T) {
	var out bytes.Buffer
	if err := draw(strings.NewReader("# Look\n$ odpm plan\na <b> & c\n"+strings.Repeat("x", 3*columns)+"\n\n# Again\n$ odpm\n"), &out); err != nil {
		t.Fatal(err)
	}
	var seen []string
	for d := xml.NewDecoder(&out); ; {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := tok.(xml.CharData); ok && strings.TrimSpace(string(c)) != "" {
			seen = append(seen, string(c))
		}
	}
	all := strings.Join(seen, "\n")
	for _, want := range []string{"$ odpm plan", "a <b> & c", "# Again"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in it", want)
		}
	}
	for _, s := range seen[1:] {
		if len([]rune(s)) > columns {
			t.Errorf("%q is too wide", s)
		}
	}
	if err := draw(strings.NewReader(""), io.Discard); err == nil {
		t.Error("an empty recording is a picture")
	}
}

// TestBroken: a line is broken between its words.
func TestBroken(t *testing.T) {
	word := strings.Repeat("x", columns-6)
	for in, want := range map[string][]string{
		"short":                   {"short"},
		"  " + word + " recorded": {"  " + word, "  recorded"},
		word + word:               {word + word[:6], word[6:]},
		"  " + word + word:        {"  " + word + "xxxx", "  " + word[4:]},
		word + " 12345 more":      {word + " 12345", "more"},
		word + " 123456 and more": {word, "123456 and more"},
	} {
		if got := broken(in); !slices.Equal(got, want) {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// TestPicture: the README's picture is one, and shows what the demo does.
func TestPicture(t *testing.T) {
	data, err := os.ReadFile("../../docs/images/tour.svg")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<svg ", `xml:space="preserve"`, "$ odpm plan", "adopted: PostgreSQL", "</svg>"} {
		if !bytes.Contains(data, []byte(want)) {
			t.Errorf("%q is not in it; run: make picture", want)
		}
	}
}
