package wording

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestScreen(t *testing.T) {
	for name, tt := range map[string]struct {
		in   string
		want string
	}{
		"short": {"odpm: done", "odpm: done"},
		"a sentence hangs by two": {
			"odpm: the file is not there and this is said in more words than fit",
			"odpm: the file is not there and this is\n  said in more words than fit"},
		"the last column hangs": {
			"Cluster   system_identifier of a cluster with a long description",
			"Cluster   system_identifier of a cluster\n          with a long description"},
		"a command stays whole": {
			"  odpm --accept-database-drift=data_path --accept-database-drift=postgres_major",
			"  odpm --accept-database-drift=data_path --accept-database-drift=postgres_major"},
		"its explanation goes below": {
			"  odpm --replace-compose        odpm writes its own and keeps this one",
			"  odpm --replace-compose\n      odpm writes its own and keeps this\n      one"},
		"in a column too": {
			"           odpm --replace-compose        odpm writes its own",
			"           odpm --replace-compose\n               odpm writes its own"},
		"a setting too": {
			"  ODPM_COMPOSE=keep in .env        odpm works with this file as it is",
			"  ODPM_COMPOSE=keep in .env\n      odpm works with this file as it is"},
		"a path of a table is shortened": {
			"Data  /srv/customers/acme-international/projects/shop/data/pg15: a cluster",
			"Data  /srv/customers/ac…/shop/data/pg15:\n      a cluster"},
		"an arrow stays with what it points to": {
			"  high  data_path  /srv/customers/acme-international/pg15 -> /srv/customers/acme-international/pg16",
			"  high  data_path  /srv/cu…national/pg15\n                   -> /srv/c…tional/pg16"},
		"a path of a sentence is not": {
			"odpm: cannot open /srv/customers/acme-international/projects/shop",
			"odpm: cannot open\n  /srv/customers/acme-international/projects/shop"},
		"colour takes no room": {
			"\x1b[31modpm:\x1b[0m a sentence that is just as wide as it",
			"\x1b[31modpm:\x1b[0m a sentence that is just as wide as\n  it"},
	} {
		if d := cmp.Diff(tt.want, Screen(tt.in, 40)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if Screen(tt.in, 0) != tt.in {
			t.Errorf("%s: changed off a terminal", name)
		}
	}
}

func TestReflow(t *testing.T) {
	in := "a line that is made for eighty columns, and\nits second one.\n\n  odpm        as it is\nthe next\nparagraph\n"
	if d := cmp.Diff("a line that is made for eighty\ncolumns, and its second one.\n\n  odpm        as it is\nthe next paragraph\n", Reflow(in, 30)); d != "" {
		t.Error(d)
	}
	if Reflow(in, 0) != Reflow(in, 80) || Reflow(in, 200) != Reflow(in, 80) {
		t.Error("wider than what is read well")
	}
}

// TestScreenLosesNothing: all words are still there, in order, and only one
// that does not fit a line is longer than it.
func TestScreenLosesNothing(t *testing.T) {
	text := "odpm: warning: this is said at some length (data_path), so that it has to be broken: more than once, and here and there.\n" +
		"run      yes        database.adopt       first run: role odoo is ensured, the baseline written\n"
	for width := 20; width < 140; width++ {
		got := Screen(text, width)
		if strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(text), " ") {
			t.Fatalf("width %d: %s", width, got)
		}
		for _, l := range strings.Split(got, "\n") {
			if width >= 60 && utf8.RuneCountInString(l) > width {
				t.Errorf("width %d: %q", width, l)
			}
		}
	}
}

func TestMiddle(t *testing.T) {
	for _, width := range []int{8, 12, 20, 30} {
		got := Middle("/srv/customers/acme/shop/data/postgresql", width)
		if utf8.RuneCountInString(got) != width || !strings.HasSuffix(got, "sql") || !strings.HasPrefix(got, "/") {
			t.Errorf("%d: %q", width, got)
		}
	}
}
