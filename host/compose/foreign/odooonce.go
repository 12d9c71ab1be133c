package foreign

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/shared/entrypoint"
	"github.com/odpm/odpm/shared/regular"
)

// OnceLine is the command line of a one-off Odoo: what a service starts, with args
// for Odoo at its end. A shell's line that does not pass its arguments on gets them
// behind the Odoo that it ends in. changed: it is another line than entry, command
// and args in a row. why is what would keep the arguments from Odoo, and then there
// is no line: an Odoo that ignored them would run as a server, and never end.
func OnceLine(s types.ServiceConfig, entry, command, args []string) (line []string, changed bool, why string) {
	line = slices.Concat(entry, command)
	at := shellText(line)
	if at < 0 {
		for _, word := range line {
			if text := mountedScript(s, word); text != "" && !usesArguments.MatchString(text) {
				return nil, false, word + ` does not pass its arguments on ("$@")`
			}
		}
		return append(line, args...), false, ""
	}
	text := strings.TrimRight(line[at], " \t\n;")
	if usesArguments.MatchString(text) {
		return append(line, args...), false, ""
	}
	if !endsInOdoo(text) {
		return nil, false, `the shell's line "` + text + `" neither ends in Odoo nor passes its arguments on ("$@")`
	}
	// The word behind the text is the shell's $0.
	return slices.Concat(line[:at], []string{text + ` "$@"`, "odoo"}, args), true, ""
}

var usesArguments = regexp.MustCompile(`\$[@*1-9]|\$\{[@*1-9]`)

// shellText is the place of a shell's text (sh -c TEXT) in a command line, -1
// without one.
func shellText(line []string) int {
	for i, w := range line {
		if !slices.Contains([]string{"sh", "bash", "ash", "dash"}, path.Base(w)) {
			continue
		}
		for j := i + 1; j+1 < len(line) && strings.HasPrefix(line[j], "-"); j++ {
			if !strings.HasPrefix(line[j], "--") && strings.Contains(line[j], "c") {
				return j + 1
			}
		}
	}
	return -1
}

// endsInOdoo: the last command of a shell's text is Odoo itself, and what is added
// to the text becomes its arguments.
func endsInOdoo(text string) bool {
	commands := simpleCommands(text)
	if len(commands) == 0 || strings.Contains(text, "#") || strings.Contains(text, "<<") || strings.HasSuffix(text, `\`) || strings.ContainsAny(text[len(text)-1:], "&|(){}") {
		return false
	}
	last := commands[len(commands)-1]
	odoo := odooWord(last)
	if odoo < 0 || odoo > 0 && slices.Contains([]string{"su", "sudo", "runuser"}, path.Base(last[0])) {
		return false
	}
	before := last[:odoo]
	if i := slices.Index(before, "--"); i >= 0 {
		before = before[i+1:] // a program such as wait-for-it.sh executes the rest
	}
	for i, w := range before {
		base := path.Base(w)
		name, _, assigned := strings.Cut(w, "=")
		switch {
		case slices.Contains([]string{"exec", "nohup", "nice"}, base), slices.Contains(wrappersOfOdoo, base), assigned && name != "":
		case slices.Contains(userSwitchers, base), i > 0 && slices.Contains(userSwitchers, path.Base(before[i-1])):
		case strings.HasPrefix(base, "python"), strings.HasSuffix(base, "entrypoint.sh"):
		default:
			return false
		}
	}
	return true
}

var wrappersOfOdoo = []string{"env", "tini", "dumb-init", "catatonit", "time"}

// mountedScript is a shell script of this machine that a service has mounted, "" for
// what is none.
func mountedScript(s types.ServiceConfig, at string) string {
	if text := mountedFile(s, at); entrypoint.IsShell(text) {
		return text
	}
	return ""
}

// mountedFile is the text of a file of this machine that a service has mounted, ""
// where there is none that can be read.
func mountedFile(s types.ServiceConfig, at string) string {
	if !path.IsAbs(at) {
		return ""
	}
	for _, v := range s.Volumes {
		if v.Type != types.VolumeTypeBind || !below(at, v.Target) {
			continue
		}
		if data, err := regular.Read(v.Source+strings.TrimPrefix(path.Clean(at), path.Clean(v.Target)), entrypoint.MaxSize); err == nil {
			return string(data)
		}
	}
	return ""
}
