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
	b.WriteString("\n| how it arrives |")
	for _, major := range localpg.Majors {
		fmt.Fprintf(&b, " %d |", major)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(localpg.Majors)) + "\n")
	for _, s := range states {
		fmt.Fprintf(&b, "| [%s](#%s) |", s.title, s.name)
		for _, major := range localpg.Majors {
			if c, ok := m.cells[s.name][major]; ok {
				b.WriteString(" " + c.word() + " |")
			} else {
				b.WriteString(" – |")
			}
		}
		b.WriteString("\n")
	}
	b.WriteString(legend)
	for _, s := range states {
		fmt.Fprintf(&b, "\n### %s\n\n%s.\n", s.name, s.title)
		m.details(&b, s)
	}
	return b.String()
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
		text := "\nLogin before: " + c.before + ".\n"
		text += block("sql", withoutNotes(c.sql))
		if len(c.did) > 0 {
			how := "was run"
			if c.singleUser {
				how = "was run (PostgreSQL was stopped for it)"
			}
			if strings.Join(c.did, "\n") == strings.Join(statements(c.sql), "\n") {
				text += "That " + how + ".\n"
			} else {
				text += "What " + how + ":\n" + block("sql", c.did)
			}
		}
		for _, n := range c.notes {
			text += "\nReported: " + n + "\n"
		}
		text = versionInText.ReplaceAllString(text, "PostgreSQL N")
		if groups[text] == nil {
			order = append(order, text)
		}
		groups[text] = append(groups[text], major)
	}
	for _, text := range order {
		fmt.Fprintf(b, "\n**%s**\n%s", span(groups[text]), text)
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

const intro = `# Inherited clusters

<!-- Written by test/inherited: go test ./test/inherited -run TestInherited -update -->

What odpm does with clusters that somebody else made: every broken state that
we know of, on a real server of every major. For each of them the suite

* runs ` + "`odpm plan --plan-show-diff` and `odpm database ensure-role --show-sql`" + `,
  which show the SQL below, and sees that no file, no process and no row changed;
* runs ` + "`odpm database ensure-role`" + `, and once more: the second run changes nothing;
* asks psql, over TCP and through password authentication: the login works, with
  another password it does not, and the role can create a database;
* compares all roles, memberships, settings, databases, owners and rights before
  and after: they are the same but for the rows of the roles that odpm announced;
* looks for the password and for verifiers in the server's log (which logs every
  statement) and in all that odpm printed: neither is there.

The rules are in [application-role.md](application-role.md).
`

const legend = `
*as it is*: nothing had to be done, and nothing was. *repaired*: the login works
now. *stopped*: nobody could log in as superuser, so PostgreSQL was stopped, its
roles read in single-user mode, and started again. *°*: something was reported
and left as it is. *–*: cannot occur on that version.
`
