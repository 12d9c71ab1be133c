package docs_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/odpm/odpm/test/typed"
)

// TestBlocks: every fenced block names a language, every shell block says how it
// is tested, and its commands parse: as shell, and odpm's with odpm's own flags.
func TestBlocks(t *testing.T) {
	odpm := 0
	for _, page := range pages(t) {
		for _, b := range blocks(t, page) {
			shell := b.language == "sh" || b.language == "console"
			switch {
			case !languages[b.language]:
				t.Errorf("%s: the language %q is none of %q", b.at(), b.language, slices.Sorted(maps.Keys(languages)))
			case !shell:
				for _, command := range listed(b.text) {
					if _, err := typed.Check(command); err != nil {
						t.Errorf("%s: %v", b.at(), err)
					}
					odpm++
				}
				continue
			case b.reason != "" && reasons[b.reason] == "":
				t.Errorf("%s: %q is not a reason; there are %q", b.at(), b.reason, slices.Sorted(maps.Keys(reasons)))
			case b.reason == "" && machines[b.scenario] == "":
				t.Errorf("%s: %q is not a scenario; there are %q", b.at(), b.scenario, slices.Sorted(maps.Keys(machines)))
			}
			for _, s := range b.steps() {
				n, err := typed.Check(s.command)
				if err != nil {
					t.Errorf("%s: %v", b.at(), err)
				}
				odpm += n
			}
		}
	}
	if odpm < 80 {
		t.Errorf("only %d commands of odpm were found", odpm)
	}
}

// listed are odpm's commands in a list with explanations behind two spaces.
func listed(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "$ ")
		if strings.HasPrefix(line, "odpm ") || line == "odpm" {
			command, _, _ := strings.Cut(line, "  ")
			out = append(out, command)
		}
	}
	return out
}

var span = regexp.MustCompile("`(odpm(?: [^`]*)?)`")

// TestSpans: what stands in the text as `odpm …` parses, too.
func TestSpans(t *testing.T) {
	n := 0
	for _, page := range pages(t) {
		if page == "CHANGELOG.md" {
			continue // Of its time.
		}
		for _, m := range span.FindAllStringSubmatch(fence.ReplaceAllString(text(t, page), ""), -1) {
			n++
			command, _, _ := strings.Cut(strings.NewReplacer("\n", " ", `\|`, "|").Replace(m[1]), "        ")
			_, err := typed.Check(command)
			if err != nil {
				// A command or a flag may be named without its argument.
				_, named := typed.Check(command + " FILE")
				if named == nil {
					continue
				}
				t.Errorf("%s: %v", page, err)
			}
		}
	}
	if n < 80 {
		t.Errorf("only %d commands were found", n)
	}
}
