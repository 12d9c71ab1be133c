package docs_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// A shell block is fenced as sh (commands, with comments) or console (commands
// behind "$ ", and what they print). The HTML comment in front of it, which no
// reader sees, says how it is tested:
//
//	<!-- test: SCENARIO -->      run, in the order of the page, in the scenario's folder
//	<!-- test: SCENARIO
//	COMMANDS -->                 the same; what the reader has done meanwhile comes first
//	<!-- parsed: REASON -->      parsed only
//
// Everything else that is fenced names another language.
type block struct {
	page, language, text     string
	line                     int
	scenario, hidden, reason string
}

func (b block) at() string { return fmt.Sprintf("%s:%d", b.page, b.line) }

// reasons are all there are for not running a block.
var reasons = map[string]string{
	"another machine": "it needs a second machine, a registry, systemd or a service elsewhere",
	"image":           "it builds images; test/checkerimage does that with the same files",
	"kubernetes":      "it needs a cluster of Kubernetes; make test-kubernetes runs it on one",
	"swarm":           "it deploys to a Swarm; make test-swarm does that",
	"release":         "it builds, installs or publishes a release; make test-dist does that",
	"suite":           "it runs this test suite, or its setup",
}

// machines are the scenarios: where a reader of a page sits.
var machines = map[string]string{
	"docker": "a machine with a Docker engine",
	"native": "a machine with PostgreSQL's own programs and without Docker",
}

var languages = map[string]bool{"sh": true, "console": true, "json": true, "yaml": true, "ini": true, "dockerfile": true, "sql": true, "text": true, "python": true}

var marker = regexp.MustCompile(`(?s)^<!-- (test|parsed): ([a-z ]+?)(?:\n(.*?))?\s*-->$`)

// blocks are the fenced blocks of a page.
func blocks(t *testing.T, page string) []block {
	t.Helper()
	var out []block
	lines := strings.Split(text(t, page), "\n")
	for i := 0; i < len(lines); i++ {
		indent := lines[i][:len(lines[i])-len(strings.TrimLeft(lines[i], " "))]
		language, ok := strings.CutPrefix(lines[i], indent+"```")
		if !ok {
			continue
		}
		b := block{page: page, language: language, line: i + 1}
		comment(t, &b, lines[:i])
		var body []string
		for i++; strings.TrimSpace(lines[i]) != "```"; i++ {
			body = append(body, strings.TrimPrefix(lines[i], indent))
		}
		b.text = strings.Join(body, "\n") + "\n"
		out = append(out, b)
	}
	return out
}

// comment reads the marker that ends in front of a block.
func comment(t *testing.T, b *block, before []string) {
	t.Helper()
	end := len(before) - 1
	for end >= 0 && strings.TrimSpace(before[end]) == "" {
		end--
	}
	if end < 0 || !strings.HasSuffix(before[end], "-->") {
		return
	}
	start := end
	for start > 0 && !strings.Contains(before[start], "<!--") {
		start--
	}
	m := marker.FindStringSubmatch(strings.TrimSpace(strings.Join(before[start:end+1], "\n")))
	if m == nil {
		t.Errorf("%s: the comment in front of it is not a marker", b.at())
		return
	}
	if m[1] == "parsed" {
		b.reason = m[2]
	} else {
		b.scenario, b.hidden = m[2], m[3]
	}
}

// step is one command of a block, and what the page says of it.
type step struct {
	command string
	at      string
	code    string
	shown   []string
}

// steps are the commands of a block in order. A command of a sh block ends where
// its line does, unless that ends in a backslash or opens a here-document.
func (b block) steps() []step {
	var out []step
	add := func(text string) { out = append(out, step{command: text, at: b.at(), code: "0"}) }
	if b.language == "sh" {
		add(b.text)
		return out
	}
	lines := strings.Split(strings.TrimSuffix(b.text, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		command, ok := strings.CutPrefix(lines[i], "$ ")
		switch {
		case ok && command == "echo $?" && i+1 < len(lines):
			i++
			out[len(out)-1].code = lines[i]
		case ok:
			add(command)
		case len(out) > 0 && strings.TrimSpace(lines[i]) != "":
			out[len(out)-1].shown = append(out[len(out)-1].shown, lines[i])
		}
	}
	return out
}
