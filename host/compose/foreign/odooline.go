package foreign

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/shared/entrypoint"
)

// What a file gives to Odoo itself: in the command or the entrypoint, behind a
// program that waits for PostgreSQL, in a shell's line. An option of another
// program (pip install -r, nc -w, pg_isready -U odoo) is none of Odoo's.

// optionOf is the value of an option in words, "" without it.
func optionOf(words []string, names ...string) string {
	for i, w := range words {
		name, value, joined := strings.Cut(w, "=")
		if !joined && i+1 < len(words) {
			value = words[i+1]
		}
		if name != "" && slices.Contains(names, name) {
			return value
		}
	}
	return ""
}

// odooOptions are what Odoo is given as far as the file says it, nil for
// nothing.
func odooOptions(s types.ServiceConfig) []string {
	if options, ok := startsOdoo(slices.Concat([]string(s.Entrypoint), []string(s.Command))); ok {
		return options
	}
	// The image, or a script in front, adds the program.
	if words := oneLine(s.Command); len(words) > 0 && strings.HasPrefix(words[0], "-") {
		return words
	}
	return nil
}

// ListensOn are the ports that a service's own options have Odoo listen on, which win
// over odoo.conf's; 0 for one that they do not say.
func ListensOn(s types.ServiceConfig) (http, gevent int) {
	options := odooOptions(s)
	for i, w := range options {
		// optparse's short form, -pPORT.
		if n, ok := strings.CutPrefix(w, "-p"); ok && n != "" && strings.Trim(n, "0123456789") == "" {
			options = slices.Replace(slices.Clone(options), i, i+1, "--http-port="+n)
			break
		}
	}
	port := func(names ...string) int {
		n, err := strconv.Atoi(optionOf(options, names...))
		if err != nil || n < 1 || n > 65535 {
			return 0
		}
		return n
	}
	return port("--http-port", "-p", "--xmlrpc-port"), port("--gevent-port", "--longpolling-port")
}

// BindsTo is the address that a service's own options have Odoo listen on, "" where they
// say none.
func BindsTo(s types.ServiceConfig) string {
	return optionOf(odooOptions(s), "--http-interface", "--xmlrpc-interface")
}

// oneLine is a command whose only word has all of them.
func oneLine(command []string) []string {
	if len(command) == 1 {
		return strings.Fields(command[0])
	}
	return command
}

// startsOdoo finds Odoo in a command line, and what it is given there.
func startsOdoo(line []string) (options []string, ok bool) {
	if i := odooWord(line); i >= 0 {
		return line[i+1:], true
	}
	for _, w := range line {
		if !strings.ContainsAny(w, " \t\n") {
			continue
		}
		for _, simple := range simpleCommands(w) {
			if i := odooWord(simple); i >= 0 {
				options, ok = simple[i+1:], true
			}
		}
	}
	return options, ok
}

// odooWord is the place of Odoo's program in a command, -1 without it. A name
// behind an option, or behind what changes the user, is a database's or a user's.
func odooWord(words []string) int {
	for i, w := range words {
		if !slices.Contains(entrypoint.Programs, path.Base(w)) {
			continue
		}
		if i > 0 && (words[i-1] != "--" && strings.HasPrefix(words[i-1], "-") || slices.Contains(userSwitchers, path.Base(words[i-1]))) {
			continue
		}
		return i
	}
	return -1
}

var userSwitchers = []string{"gosu", "su-exec", "setuser", "s6-setuidgid", "chpst"}

var quotes = strings.NewReplacer(`"`, "", "'", "")

// simpleCommands splits a shell's text, without quotes.
func simpleCommands(text string) [][]string {
	var out [][]string
	for _, part := range strings.FieldsFunc(strings.ReplaceAll(text, "\\\n", " "), func(r rune) bool { return strings.ContainsRune(";\n&|()", r) }) {
		// Braces of their own are a group of commands, others a variable's.
		words := slices.DeleteFunc(strings.Fields(part), func(w string) bool { return w == "{" || w == "}" })
		for i, w := range words {
			words[i] = quotes.Replace(w)
		}
		out = append(out, words)
	}
	return out
}

// WrapsOdoo tells a command that comes to Odoo in its end, behind a program that
// waits or in a shell's line, from Odoo's own: it takes no further options.
func WrapsOdoo(command []string) bool {
	_, _, plain := odooWords(command)
	_, starts := startsOdoo(command)
	return starts && !plain
}
