package foreign

import (
	"path"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/shared/entrypoint"
)

// Front is what an image starts where a file says nothing else: the zero value where
// that is not known.
type Front struct {
	Entrypoint, Command []string
	// Script is the shell script in Entrypoint, "" where there is none; HandsOn: it
	// executes its arguments.
	Script  string
	HandsOn bool
}

// Idles tells a service that starts nothing: an editor's container waits with it for
// somebody who starts Odoo by hand. line is what it runs, for a message.
func Idles(s types.ServiceConfig, image Front) (line []string, idles bool) {
	line = slices.Concat([]string(s.Entrypoint), []string(s.Command))
	runs := line
	if s.Entrypoint == nil {
		// The image's entrypoint stands in front, and executes what it is given unless
		// it is known to do something else.
		if image.Script != "" && !image.HandsOn {
			return line, false
		}
		if s.Command == nil {
			line = slices.Concat(image.Entrypoint, image.Command)
			runs = image.Command
		}
		if len(runs) == 0 {
			runs = image.Entrypoint
		}
	}
	return line, waits(runs, func(script string) bool {
		switch text := mountedScript(s, script); {
		case text != "":
			return entrypoint.Read(text).HandsOn
		case script == image.Script:
			return image.HandsOn
		}
		return script == officialEntrypoint && officialOdoo(s.Image)
	})
}

var (
	// idlePrograms wait, whatever they are given; shells do without a text and a script.
	idlePrograms  = []string{"sleep", "tail", "cat", "pause", "top"}
	shellPrograms = []string{"sh", "bash", "ash", "dash", "zsh"}
	// harmless are a shell's commands before it waits: none of them starts a program.
	harmless = []string{"true", ":", "wait", "echo", "printf", "trap", "done", "cd", "export", "set", "umask", "mkdir", "chown", "chmod", "touch", "rm", "cp", "ln"}
)

// waits tells a command line that starts nothing. handsOn tells a script that executes
// what follows it.
func waits(line []string, handsOn func(script string) bool) bool {
	words := oneLine(line)
	for len(words) > 0 {
		first, rest := path.Base(words[0]), words[1:]
		switch {
		case slices.Contains(idlePrograms, first):
			return true
		case slices.Contains(shellPrograms, first):
			i := slices.IndexFunc(rest, func(w string) bool { return !strings.HasPrefix(w, "-") })
			if i < 0 {
				return true // for somebody who types
			}
			if strings.Contains(strings.Join(rest[:i], ""), "c") {
				// A text of one word that is split falls apart at its spaces.
				text, arguments := rest[i], rest[min(i+2, len(rest)):]
				if len(line) == 1 {
					text, arguments = strings.Trim(strings.Join(rest[i:], " "), `"'`), nil
				}
				return textWaits(text, arguments, handsOn)
			}
			words = rest[i:]
			if !handsOn(words[0]) {
				return false
			}
		case slices.Contains(wrappersOfOdoo, first), slices.Contains([]string{"exec", "nohup", "nice"}, first):
			words = afterOptions(rest)
		case slices.Contains(userSwitchers, first):
			words = rest[min(1, len(rest)):]
		case handsOn(words[0]), strings.HasPrefix(first, "wait"):
			words = rest
			if i := slices.Index(rest, "--"); i >= 0 {
				words = rest[i+1:] // what the script itself takes comes before
			} else if strings.HasPrefix(first, "wait") && !handsOn(first) {
				return false
			}
		default:
			return false
		}
	}
	return false
}

func afterOptions(words []string) []string {
	for i, w := range words {
		if name, _, assigned := strings.Cut(w, "="); !strings.HasPrefix(w, "-") && (!assigned || name == "") {
			return words[i:]
		}
	}
	return nil
}

// textWaits tells a shell's text that does nothing but wait. arguments are those of the
// shell itself.
func textWaits(text string, arguments []string, handsOn func(script string) bool) bool {
	waiting := false
	for _, simple := range simpleCommands(text) {
		for len(simple) > 1 && slices.Contains([]string{"while", "until", "do", "exec"}, simple[0]) {
			simple = simple[1:]
		}
		switch {
		case len(simple) == 0, slices.Contains(harmless, simple[0]):
		case simple[0] == "$@":
			if len(arguments) > 0 && !waits(arguments, handsOn) {
				return false
			}
			waiting = waiting || len(arguments) > 0
		case waits(simple, handsOn):
			waiting = true
		default:
			return false
		}
	}
	return waiting
}
