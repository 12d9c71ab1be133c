// Package typed checks commands that a person is to type: those that messages
// print and those of the documentation.
package typed

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"github.com/mattn/go-shellwords"

	"github.com/odpm/odpm/host/cli"
)

// placeholders stand for a word that the reader knows.
var placeholders = strings.NewReplacer(
	"[NAME|FILE]", "NAME", "KIND|CODE", "data_path", "--accept-database-drift=KIND", "--accept-database-drift=data_path",
	"--accept-database-drift KIND", "--accept-database-drift data_path", "odpm explain KIND", "odpm explain data_path",
	"completion SHELL", "completion bash", "--keep RULES", "--keep 7d", "--keep-last N", "--keep-last 1", "--major N", "--major 17",
	"--port PORT", "--port 8069", "…", "", "...", "",
)

// Words splits shell text into its simple commands. Comments, redirections
// and assignments before a command are left out, and so is sudo.
func Words(text string) ([][]string, error) {
	var all [][]string
	text = comment.ReplaceAllString(text, "$1")
	text = strings.ReplaceAll(text, "\\\n", " ")
	for line := range strings.Lines(text) {
		rest := strings.TrimSpace(redirection.ReplaceAllString(line, " "))
		for rest != "" {
			p := shellwords.NewParser()
			words, err := p.Parse(rest)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", rest, err)
			}
			for len(words) > 0 && (words[0] == "sudo" || words[0] == "exec" || words[0] == "!" || assignment.MatchString(words[0])) {
				words = words[1:]
			}
			if len(words) > 0 {
				all = append(all, words)
			}
			if p.Position < 0 {
				break
			}
			rest = strings.TrimLeft(rest[p.Position:], "|&;() ")
		}
	}
	return all, nil
}

var (
	comment     = regexp.MustCompile(`(?m)(^|\s)#[^\n]*`)
	redirection = regexp.MustCompile(`\s[0-9]?(>>|>|<)\s*(&[0-9]|"[^"]*"|[^\s;&|)]+)`)
	assignment  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)
)

// Shell tells whether sh can parse the text; it runs nothing.
func Shell(text string) error {
	cmd := exec.Command("sh", "-n")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("sh -n: %v: %s", err, out)
	}
	return nil
}

// ODPM parses the arguments of odpm with odpm's own commands and flags.
func ODPM(args []string) error {
	var out []string
	for _, a := range args {
		if a != "" {
			out = append(out, a)
		}
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	if err := cli.New(null, null, null, out, nil, nil).Parse(); err != nil {
		var done cli.Outcome
		if errors.As(err, &done) {
			return nil
		}
		return fmt.Errorf("odpm %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// Check parses every command of the text, odpm's with odpm's own flags, and
// gives the number of those.
func Check(text string) (int, error) {
	text = placeholders.Replace(text)
	if err := Shell(text); err != nil {
		return 0, err
	}
	commands, err := Words(text)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, words := range commands {
		if words[0] != "odpm" {
			continue
		}
		n++
		if err := ODPM(words[1:]); err != nil {
			return n, err
		}
	}
	return n, nil
}

var destroyingWords = regexp.MustCompile(` down (-[a-z]+ )*(-v|--volumes)\b|\b(DROP|TRUNCATE) |\bdropdb |\bkill -(9|KILL)\b`)

// Destroys tells whether a command deletes, replaces or accepts something, so
// that it must come after those which do not.
func Destroys(command string) bool {
	words := strings.Fields(command)
	return slices.ContainsFunc(words, func(w string) bool {
		return strings.HasPrefix(w, "--accept-database-drift") || w == "--db-drop" || w == "--replace-compose" || w == "--yes" || w == "--force"
	}) || slices.Contains(words, "rm") || slices.Contains(words, "prune") || destroyingWords.MatchString(command)
}
