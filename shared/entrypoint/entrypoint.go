// Package entrypoint reads a shell script that stands in front of Odoo, as the
// official image's /entrypoint.sh does, and says what it does without running
// it: whether it starts Odoo by a name that PATH decides on, and whether it
// does anything else.
//
// The official image's script (github.com/odoo/docker) has had five forms, and
// people's own images have as many as there are people: so nothing here goes
// by a form. What such a script finally gives to Odoo only the script can say.
package entrypoint

import (
	"path"
	"slices"
	"strings"
)

// Programs are the names under which Odoo is started.
var Programs = []string{"odoo", "odoo-bin", "odoo.py", "odoo-bin.py", "odoo-server", "openerp-server"}

// WaitProgram is what the official image's script waits for PostgreSQL with.
const WaitProgram = "wait-for-psql.py"

// Script is what a script does.
type Script struct {
	// ByName: it starts Odoo by one of Programs, which PATH decides on.
	ByName bool
	// ByPath is the first Odoo that it starts by a path or as a Python module.
	ByPath string
	// HandsOn: it executes its own arguments as a command.
	HandsOn bool
	// IgnoresArguments: nothing in it reads what it is given, "$@" or $1.
	IgnoresArguments bool
	// OptionsOfItsOwn: it gives Odoo arguments beyond its own ones.
	OptionsOfItsOwn bool
	// Splits: it gives a program an unquoted list, which falls apart at the
	// spaces in it.
	Splits bool
	// WaitsLast: it calls WaitProgram, and each time Odoo is what comes next.
	WaitsLast bool
	// Other is the first command that is more than reading, testing and
	// starting Odoo: a server that it starts, a file that it changes. "" in
	// every form of the official image's.
	Other string
}

// MaxSize is more than any such script has.
const MaxSize = 1 << 18

// IsShell tells whether a file is a shell script, by its first line.
func IsShell(text string) bool {
	line, _, _ := strings.Cut(text, "\n")
	interpreter, ok := strings.CutPrefix(line, "#!")
	if !ok || len(text) > MaxSize {
		return false
	}
	for _, word := range strings.Fields(interpreter) {
		switch path.Base(word) {
		case "env":
		case "sh", "bash", "dash", "ash", "zsh", "ksh":
			return true
		default:
			if !strings.HasPrefix(word, "-") {
				return false
			}
		}
	}
	return false
}

// Read says what a script does.
func Read(text string) Script {
	s := Script{IgnoresArguments: !readsArguments(text)}
	scanned := scan(text, 0)
	if scanned.strange {
		s.Other = "what cannot be read without running it"
	}
	waits, waitsLast := 0, 0
	for i, words := range scanned.commands {
		if slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, "PATH=") }) {
			// Another odoo may be found there.
			s.Other = first(s.Other, "PATH=")
		}
		c := resolve(words)
		for _, w := range c.args {
			s.Splits = s.Splits || unquotedList(w)
		}
		switch {
		case c.program == "":
		case c.odoo && !strings.Contains(c.program, "/"):
			s.ByName = true
			s.OptionsOfItsOwn = s.OptionsOfItsOwn || ownOptions(c.args)
		case c.odoo:
			s.ByPath = first(s.ByPath, c.program)
			s.OptionsOfItsOwn = s.OptionsOfItsOwn || ownOptions(c.args)
		case allArguments(c.program):
			s.HandsOn = true
		case path.Base(c.program) == WaitProgram:
			waits++
			if i+1 < len(scanned.commands) && resolve(scanned.commands[i+1]).odoo {
				waitsLast++
			}
		case !scanned.functions[c.program] && !harmless(c):
			s.Other = first(s.Other, c.program)
		}
	}
	s.WaitsLast = waits > 0 && waits == waitsLast
	return s
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// resolved is a command without what comes before its program.
type resolved struct {
	program string
	args    []string
	odoo    bool
}

var (
	keywords  = []string{"if", "then", "elif", "else", "fi", "while", "until", "do", "done", "{", "}", "!", "time", "esac"}
	prefixes  = []string{"exec", "command", "builtin", "nohup", "env", "nice", "ionice", "setsid", "tini", "dumb-init", "catatonit"}
	asUser    = []string{"gosu", "su-exec", "setuser", "s6-setuidgid"}
	resetPath = []string{"su", "sudo", "runuser"}
)

func resolve(words command) resolved {
	// A subject of its own; "for x in …" and "function name" start nothing.
	for len(words) > 0 {
		w := words[0]
		switch {
		case w == "for" || w == "select" || w == "function" || w == "case":
			return resolved{}
		case redirection(w) && bareOperator(w) && len(words) > 1:
			words = words[2:]
		case slices.Contains(keywords, w), assignment(w), redirection(w):
			words = words[1:]
		case slices.Contains(prefixes, path.Base(plain(w))):
			emptied := path.Base(plain(w)) == "env" && len(words) > 1 && (words[1] == "-i" || words[1] == "-")
			words = words[1:]
			for len(words) > 0 && strings.HasPrefix(words[0], "-") {
				words = words[1:]
			}
			if emptied {
				return resolved{program: "env -i"}
			}
		case slices.Contains(asUser, path.Base(plain(w))) && len(words) > 2:
			words = words[2:]
		case slices.Contains(resetPath, path.Base(plain(w))):
			return resolved{program: plain(w)}
		default:
			return named(words)
		}
	}
	return resolved{}
}

func named(words command) resolved {
	c := resolved{program: plain(words[0]), args: words[1:]}
	if allArguments(words[0]) {
		c.program = words[0]
		return c
	}
	if strings.HasPrefix(path.Base(c.program), "python") {
		for i, a := range c.args {
			switch {
			case a == "-m" && i+1 < len(c.args) && plain(c.args[i+1]) == "odoo":
				return resolved{"/" + c.program + " -m odoo", c.args[i+2:], true}
			case strings.HasPrefix(a, "-"):
				continue
			case slices.Contains(Programs, path.Base(plain(a))):
				return resolved{absolute(plain(a)), c.args[i+1:], true}
			}
			break
		}
		return c
	}
	c.odoo = slices.Contains(Programs, path.Base(c.program))
	return c
}

// absolute marks what PATH has no say in: Python finds a bare name in its
// working directory.
func absolute(p string) string {
	if strings.Contains(p, "/") {
		return p
	}
	return "./" + p
}

// plain takes the quotes off a word.
func plain(w string) string { return strings.NewReplacer(`"`, "", `'`, "", `\`, "").Replace(w) }

// readsArguments: anything of $@, $*, $1 … is in the text.
func readsArguments(text string) bool {
	for i := strings.IndexByte(text, '$'); i >= 0; i = strings.IndexByte(text, '$') {
		text = strings.TrimPrefix(text[i+1:], "{")
		if text != "" && strings.IndexByte("@*123456789#", text[0]) >= 0 {
			return true
		}
	}
	return false
}

func allArguments(w string) bool {
	switch plain(w) {
	case "$@", "${@}", "$*", "${*}":
		return true
	}
	return false
}

// ownOptions: something beyond "$@" and its parts.
func ownOptions(args []string) bool {
	return slices.ContainsFunc(args, func(a string) bool {
		return !allArguments(a) && !strings.HasPrefix(plain(a), "${@:") && !redirection(a)
	})
}

// unquotedList is ${NAME[@]} or $NAME as a word of its own without quotes.
func unquotedList(w string) bool {
	return strings.HasPrefix(w, "${") && strings.HasSuffix(w, "[@]}") || w == "$@" || w == "$*"
}

func assignment(w string) bool {
	name, _, ok := strings.Cut(w, "=")
	name, _, _ = strings.Cut(strings.TrimSuffix(name, "+"), "[")
	return ok && name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

func redirection(w string) bool {
	w = strings.TrimLeft(w, "0123456789&")
	return strings.HasPrefix(w, ">") || strings.HasPrefix(w, "<")
}

// bareOperator is a redirection whose file is the next word.
func bareOperator(w string) bool { return strings.Trim(w, "0123456789&<>|") == "" }

// readers neither change anything nor start anything that stays.
var readers = []string{
	":", "[", "[[", "]]", "test", "set", "shopt", "shift", "exit", "return", "local", "declare", "typeset", "readonly", "export", "unset",
	"echo", "printf", "true", "false", "read", "let", "trap", "wait", "getopts", "type", "hash", "which", "umask", "ulimit", "cd", "pwd",
	"grep", "cut", "sed", "tr", "head", "tail", "sort", "uniq", "wc", "cat", "basename", "dirname", "realpath", "readlink", "id", "whoami", "hostname",
	"date", "sleep", "pg_isready", "break", "continue",
}

func harmless(c resolved) bool {
	if !slices.Contains(readers, c.program) {
		return false
	}
	for i, a := range c.args {
		switch {
		case c.program == "sed" && strings.HasPrefix(a, "-i"), c.program == "sed" && strings.HasPrefix(a, "--in-place"):
			return false
		case c.program != "[[" && strings.Contains(strings.TrimLeft(a, "0123456789"), ">") && redirection(a):
			target := strings.TrimLeft(a, "0123456789&>|")
			if target == "" && !strings.HasSuffix(a, "&") && i+1 < len(c.args) {
				target = c.args[i+1]
			}
			if t := plain(target); t != "/dev/null" && t != "/dev/stderr" && !strings.HasPrefix(a, ">&") && !strings.Contains(a, ">&") {
				return false
			}
		}
	}
	return true
}
