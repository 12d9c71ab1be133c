package typed

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// programs are those that messages tell a person to run.
var programs = []string{"odpm", "docker", "sudo", "kill", "chmod", "chown", "chgrp", "mv", "rm", "cp", "mkdir", "psql", "ps", "ss", "ls", "sed", "df", "date",
	"pg_isready", "pg_dump", "pg_dumpall", "pg_restore", "kubectl", "git", "tar", "printf", "iconv", "diff", "setpriv", "runuser", "apt-get", "GOBIN="}

var (
	inline = regexp.MustCompile(`(?:: |with: |or |\x60)((?:` + strings.Join(programs, "|") + `)(?:$|[ .;,)\x60=].*))`)
	// prose says what odpm does, or begins with the command that failed.
	prose = regexp.MustCompile(`^(?:docker(?: [a-z]+)+:|(?:docker compose does|odpm (?:[a-z]+ needs|and|assumes|cannot|does|goes|keeps|must|never|puts|reads|refuses|stopped|takes|uses|works|would|writes))\b)`)
	// sentence is where a command in a sentence ends.
	sentence = regexp.MustCompile(`(\. [A-Z"]|; |, (and|then|or|if|where|until) |, which |\.$| \(|\)$|\x60|        |"$|" [a-z]+=)`)
)

// Printed are the commands that a message proposes, in order: lines of their
// own, indented, with an explanation behind eight spaces; and those in a
// sentence, behind a colon.
func Printed(message string) []string {
	var out []string
	for line := range strings.Lines(message) {
		line = strings.TrimRight(line, "\n")
		text := strings.TrimPrefix(strings.TrimSpace(line), "or ")
		word, _, _ := strings.Cut(text, " ")
		if strings.HasPrefix(line, "  ") && slices.Contains(programs, word) {
			command, _, _ := strings.Cut(text, "        ")
			out = append(out, strings.TrimSpace(command))
			continue
		}
		if m := inline.FindStringSubmatch(line); m != nil && !prose.MatchString(m[1]) {
			command := m[1]
			if at := sentence.FindStringIndex(command); at != nil && !quoted(command[:at[0]]) {
				command = command[:at[0]]
			}
			out = append(out, strings.TrimRight(strings.TrimSpace(command), ".,:;"))
		}
	}
	return out
}

// quoted tells whether a quote is open at the end.
func quoted(text string) bool {
	return strings.Count(text, "'")%2 == 1 || strings.Count(text, `"`)%2 == 1
}

// Safe gives what is wrong with the commands of one message, "" for nothing. A
// change of permissions names one file of the project's and says sudo where only
// root may do it; what destroys comes last.
func Safe(commands []string) string {
	destroying := ""
	for _, c := range commands {
		words := strings.Fields(c)
		for i, w := range words {
			if inside(words[:i]) {
				break
			}
			if slices.Contains([]string{"chmod", "chown", "chgrp"}, w) && slices.ContainsFunc(words[i+1:], func(w string) bool { return systems.MatchString(w) }) {
				return fmt.Sprintf("%s changes the permissions of a directory of the system", c)
			}
			if w == "chown" && (i == 0 || words[i-1] != "sudo") {
				return fmt.Sprintf("%s needs root and does not say sudo", c)
			}
		}
		switch {
		case Destroys(c):
			destroying = c
		// The line that ends every refusal.
		case strings.HasPrefix(c, "odpm explain "):
		case destroying != "" && !strings.HasPrefix(c, "docker volume rm"):
			return fmt.Sprintf("%s comes after %s, which destroys something", c, destroying)
		}
	}
	return ""
}

// systems is a directory that is nobody's project.
var systems = regexp.MustCompile(`^/[a-z0-9]*/?$`)

// inside tells whether the words before run the rest in a container.
func inside(before []string) bool {
	return slices.Contains(before, "docker") || slices.Contains(before, "-c")
}
