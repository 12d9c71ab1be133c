package typed

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Judge gives what is wrong with the commands that odpm proposes in the log of a
// testscript: each parses as shell and as odpm's own, has no word of a
// template's left in it, and changes no permissions of the system's directories;
// what destroys something comes last. More looks at each command, too.
func Judge(log string, more ...func(string) error) []string {
	var problems []string
	for _, block := range strings.Split("\n"+log, "\n> ")[1:] {
		command, said, _ := strings.Cut(block, "\n")
		if !strings.Contains(command, "odpm") || strings.Contains(command, "odpm-checker") {
			continue
		}
		for _, message := range messages(command, said) {
			for _, what := range judge(message, more) {
				if p := command + ": " + what; !slices.Contains(problems, p) {
					problems = append(problems, p)
				}
			}
		}
	}
	return problems
}

// messages are what one command said: all that is on stderr, each paragraph of a
// screen, and the next steps of an error in JSON.
func messages(command, said string) []string {
	out, errs, _ := strings.Cut("\n"+said, "\n[stderr]\n")
	all := []string{errs}
	_, out, _ = strings.Cut(out, "\n[stdout]\n")
	switch {
	case strings.HasPrefix(out, "{"):
		for _, list := range nextSteps.FindAllString(out, -1) {
			var doc struct{ Next []string }
			if err := json.Unmarshal([]byte("{"+list+"}"), &doc); err == nil && len(doc.Next) > 0 {
				all = append(all, "  "+strings.Join(doc.Next, "\n  "))
			}
		}
	case notAScreen.MatchString(command):
	default:
		paragraph := ""
		for line := range strings.Lines(out) {
			if !strings.HasPrefix(line, " ") {
				all, paragraph = append(all, paragraph), ""
			}
			paragraph += line
		}
		all = append(all, paragraph)
	}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

var (
	nextSteps = regexp.MustCompile(`(?s)"next": \[.*?\]`)
	// notAScreen: its output is a file, a list for programs or a usage.
	notAScreen = regexp.MustCompile(`odpm (render|completion|__complete|help|.*--help|.*diff|.*--show-sql)`)
)

func judge(message string, more []func(string) error) []string {
	var problems []string
	commands := Printed(message)
	for _, c := range commands {
		_, err := Check(c)
		for _, look := range more {
			err = errors.Join(err, look(c))
		}
		if err != nil && strings.Contains(message, "Did you mean: "+c) {
			// The name of a command, whose argument the person knows.
			_, err = Check(c + " FILE")
		}
		if err != nil {
			problems = append(problems, fmt.Sprintf("it proposes %q: %v", c, err))
			continue
		}
		if what := Shape(c, message); what != "" {
			problems = append(problems, fmt.Sprintf("it proposes %q: %s", c, what))
		}
	}
	if what := Safe(commands); what != "" {
		problems = append(problems, what)
	}
	return problems
}

var (
	template = regexp.MustCompile(`%!|<[A-Za-z][A-Za-z _-]*>|<nil>|\(not set\)|\*\*\*`)
	// stand are the words that a reader replaces.
	stand = regexp.MustCompile(`(?:^|[ =:/@])(NAME|FILE|DIR|IMAGE|KIND|CODE|SERVICE|CONTAINER|VOLUME|HOST|PORT|USER|MODULES?|RULES|VERSION|LINK|DIRECTORY|N)\b`)
	hole  = regexp.MustCompile(`\S {2,}\S`)
)

// Shape gives what a command has that nobody can type: the remains of a template,
// a hole where a value was to be, a word in capitals of which the message
// does not say what it stands for.
func Shape(command, message string) string {
	bare := unquoted(command)
	if m := template.FindString(command); m != "" {
		return fmt.Sprintf("%q cannot be typed", m)
	}
	if m := hole.FindString(bare); m != "" {
		return fmt.Sprintf("a value is missing in %q", m)
	}
	for _, m := range stand.FindAllStringSubmatch(bare, -1) {
		said := regexp.MustCompile(`\b(for|with|as|one|database|archive|file|directory|user|cluster|container|pod|kind|update),? ` + m[1] + `\b|\b` + m[1] + ` (is|or)\b|words in capitals`)
		if !said.MatchString(strings.ReplaceAll(message, command, "")) {
			return fmt.Sprintf("the message does not say what %s is", m[1])
		}
	}
	commands, err := Words(command)
	if err != nil {
		return err.Error()
	}
	for _, words := range commands {
		want, known := operands[words[0]]
		has := len(slices.DeleteFunc(slices.Clone(words[1:]), func(w string) bool { return strings.HasPrefix(w, "-") }))
		if known && has != want {
			return fmt.Sprintf("%s has %d operands instead of %d", words[0], has, want)
		}
	}
	return ""
}

// operands are those of programs that messages give one file: a name with a space
// that is not quoted is more.
var operands = map[string]int{"mv": 2, "cp": 2, "chown": 2, "chgrp": 2, "chmod": 2, "kill": 1, "cd": 1}

var inQuotes = regexp.MustCompile(`'[^']*'|"[^"]*"`)

// unquoted has a q in the place of each quoted text.
func unquoted(command string) string { return inQuotes.ReplaceAllString(command, "q") }
