package inherited_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/odpm/odpm/test/localpg"
)

var update = flag.Bool("update", false, "write docs/reference/inherited-clusters.md")

const page = "../../docs/reference/inherited-clusters.md"

// cell is what was seen of one state on one major.
type cell struct {
	// before is how psql fared over TCP with the project's password.
	before string
	// sql is what --show-sql said, did what was run, notes what was reported.
	sql, did, notes []string
	singleUser      bool
}

type matrix struct {
	sync.Mutex
	cells map[string]map[int]cell
}

func (m *matrix) add(s state, major int, c cell) {
	m.Lock()
	defer m.Unlock()
	if m.cells == nil {
		m.cells = map[string]map[int]cell{}
	}
	if m.cells[s.name] == nil {
		m.cells[s.name] = map[int]cell{}
	}
	m.cells[s.name][major] = c
}

// check compares the page with what was seen; a part of the suite has only a
// part of it.
func (m *matrix) check(t *testing.T) {
	t.Helper()
	for _, s := range states {
		if len(m.cells[s.name]) != len(s.majors()) {
			t.Log("not the whole suite was run, so the page is not compared")
			return
		}
	}
	text := m.page()
	if *update {
		if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old, err := os.ReadFile(page); err != nil || string(old) != text {
		t.Errorf("%s is not what the suite has seen; look at the change after: go test ./test/inherited -run TestInherited -update (%v)", page, err)
	}
}

func (s state) majors() []int {
	var out []int
	for _, m := range localpg.Majors {
		if m >= s.from && (s.to == 0 || m <= s.to) {
			out = append(out, m)
		}
	}
	return out
}

func (m *matrix) page() string {
	var b strings.Builder
	b.WriteString(intro)
	for _, s := range sections {
		fmt.Fprintf(&b, "| [%s](#%s) | %s |\n", s.asks, slug(s.title), s.about)
	}
	b.WriteString(legend)
	for _, sec := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| how it arrives | what odpm makes of it |\n|---|---|\n", sec.title, sec.intro)
		of := sec.states()
		for _, s := range of {
			fmt.Fprintf(&b, "| [%s](#%s) | %s |\n", s.title, s.name, m.outcome(s))
		}
		for _, s := range of {
			fmt.Fprintf(&b, "\n<a id=\"%s\"></a>\n\n### %s\n", s.name, s.title)
			m.details(&b, s)
		}
	}
	b.WriteString(tested)
	return b.String()
}

// outcome is one word for all majors, or one for each range of them.
func (m *matrix) outcome(s state) string {
	majors := map[string][]int{}
	var order []string
	for _, major := range s.majors() {
		word := m.cells[s.name][major].word()
		if majors[word] == nil {
			order = append(order, word)
		}
		majors[word] = append(majors[word], major)
	}
	if len(order) == 1 && len(s.majors()) == len(localpg.Majors) {
		return order[0]
	}
	var parts []string
	for _, word := range order {
		parts = append(parts, span(majors[word])+": "+word)
	}
	return strings.Join(parts, "; ")
}

var notInSlug = regexp.MustCompile(`[^a-z0-9_ -]`)

// slug is what GitHub makes of a heading.
func slug(heading string) string {
	return strings.ReplaceAll(notInSlug.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}

func (c cell) word() string {
	word := "as it is"
	if len(c.did) > 0 {
		word = "repaired"
	}
	if c.singleUser {
		word += ", stopped"
	}
	if len(c.notes) > 0 {
		word += " °"
	}
	return word
}

var versionInText = regexp.MustCompile(`PostgreSQL \d\d\b`)

// details groups the majors that fared alike.
func (m *matrix) details(b *strings.Builder, s state) {
	groups := map[string][]int{}
	var order []string
	for _, major := range s.majors() {
		c := m.cells[s.name][major]
		text := " Before, the login " + map[string]string{"works": "worked", "refused": "was refused"}[c.before] + ".\n"
		text += block("sql", withoutNotes(c.sql))
		if len(c.did) > 0 {
			stopped := ""
			if c.singleUser {
				stopped = ", while PostgreSQL was stopped"
			}
			if strings.Join(c.did, "\n") == strings.Join(statements(c.sql), "\n") {
				text += "\nodpm ran exactly that" + stopped + ".\n"
			} else {
				text += "\nOf that, odpm ran what was needed" + stopped + ":\n" + block("sql", c.did)
			}
		}
		if len(c.notes) > 0 {
			text += "\nIt reported:\n\n"
		}
		for _, n := range c.notes {
			text += "- " + n + "\n"
		}
		text = versionInText.ReplaceAllString(text, "PostgreSQL N")
		if groups[text] == nil {
			order = append(order, text)
		}
		groups[text] = append(groups[text], major)
	}
	for _, text := range order {
		fmt.Fprintf(b, "\n**PostgreSQL %s.**%s", span(groups[text]), text)
	}
}

// withoutNotes leaves out what is said again as reported.
func withoutNotes(lines []string) []string {
	var out []string
	for _, l := range lines {
		if !strings.HasPrefix(l, "-- note: ") {
			out = append(out, l)
		}
	}
	return out
}

// statements are the lines of --show-sql that are no comment.
func statements(lines []string) []string {
	var out []string
	for _, l := range lines {
		if !strings.HasPrefix(l, "--") {
			out = append(out, strings.TrimSuffix(l, ";"))
		}
	}
	return out
}

func block(language string, lines []string) string {
	return "\n```" + language + "\n" + strings.Join(lines, "\n") + "\n```\n"
}

// span writes majors as ranges.
func span(majors []int) string {
	sort.Ints(majors)
	var parts []string
	for i := 0; i < len(majors); {
		j := i
		for j+1 < len(majors) && majors[j+1] == majors[j]+1 {
			j++
		}
		if i == j {
			parts = append(parts, fmt.Sprint(majors[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d to %d", majors[i], majors[j]))
		}
		i = j + 1
	}
	return strings.Join(parts, ", ")
}
