package connection

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/odpm/odpm/shared/entrypoint"
)

// Script is a shell script that starts Odoo. What it gives to Odoo is known
// when it does so, and not before: the official image's has had five forms,
// with other variables, other precedence and other ways to read $ODOO_RC, and
// people write their own.
type Script struct {
	// Name is for messages.
	Name string
	// Sure: it starts Odoo by a name, so that PATH can put the checker there.
	Sure bool
	// Unknown is something that it does besides; "" where it only makes options
	// for Odoo, as the official image's does.
	Unknown string
	// WaitsLast: nothing comes between its waiting for PostgreSQL and Odoo.
	WaitsLast bool
	// Program is the place in Argv of a program that the script is given to
	// execute and that starts Odoo by a path; 0 where there is none.
	Program int
}

// script looks at the word of a command line that may be one. done is false
// where there is none, or where it has nothing to do with Odoo.
func (r *resolver) script(argv []string, at int) (done bool, err error) {
	arg := argv[at]
	if shells[filepath.Base(arg)] {
		if text, ok := shellLine(argv[at+1:]); ok {
			return r.startsOdoo(arg+" -c", text, argv, len(argv))
		}
		return false, nil
	}
	if at > 0 && !strings.Contains(arg, "/") {
		return false, nil
	}
	text := readScript(arg)
	if !entrypoint.IsShell(text) {
		return false, nil
	}
	return r.startsOdoo(arg, text, argv, at+1)
}

func (r *resolver) startsOdoo(name, text string, argv []string, tail int) (done bool, err error) {
	s, more := entrypoint.Read(text), argv[tail:]
	given := resolver{Input: r.Input, t: &Target{}, within: r.within + 1}
	if len(more) > 0 && r.within < 8 {
		if err := given.program(more); err != nil {
			return true, err
		}
	}
	isOdoo := given.odoo && !given.byOption
	isGiven := isOdoo || given.t.Script != nil
	options := slices.ContainsFunc(argv[1:], connectionOption)
	found := &Script{Name: name, Sure: s.ByName || s.HandsOn && isGiven, Unknown: s.Other, WaitsLast: s.WaitsLast}
	switch begin := commandIn(more); {
	case given.t.Script != nil && given.t.Script.Program > 0:
		found.Program = tail + given.t.Script.Program
	case isOdoo && !slices.Contains(entrypoint.Programs, more[begin]):
		found.Program = tail + begin
	}
	switch {
	case !s.ByName && s.ByPath == "" && !isGiven:
		return false, nil
	case found.Sure || s.ByPath == "" && !options:
		if len(more) == 0 && s.HandsOn && strings.Contains(name, "/") {
			r.warn(name + " is given no command; write: " + name + " odoo")
		}
		if file, set := r.Lookup("PASSWORD_FILE"); set && strings.Contains(text, "PASSWORD_FILE") && !readable(file) {
			return true, &ConfigError{"PASSWORD_FILE", "the file cannot be read, so " + name + " would stop", "mount the secret, or correct the path"}
		}
		r.t.Script = found
		return true, nil
	case r.Override.isSet():
		// A person says what the connection is.
		return false, nil
	case options:
		r.runsOdoo(argv[1:])
		return true, nil
	case r.readsOdoo(text, more, s):
		return true, nil
	}
	return true, &ConfigError{name, "it starts Odoo by its path (" + s.ByPath + "), so odpm-checker cannot see which login Odoo is given",
		"write there: exec odpm-checker -- " + s.ByPath + " …, and start " + name + " without odpm-checker; or set ODPM_DB_HOST, ODPM_DB_USER and ODPM_DB_PASSWORD"}
}

// readsOdoo: the text of the script says with which options it starts Odoo by its path.
// Whatever else it does before that may change odoo.conf, so the options must have the
// whole login then.
func (r *resolver) readsOdoo(text string, given []string, s entrypoint.Script) bool {
	calls, ok := entrypoint.Arguments(text, given, r.Lookup)
	if !ok {
		return false
	}
	last := commandLine(calls[len(calls)-1])
	for _, call := range calls {
		// odoo-bin -i base --stop-after-init && odoo-bin: one login, or it is unknown.
		if one := commandLine(call); slices.ContainsFunc([]string{dbHost, dbPort, dbUser, dbPassword, "config"}, func(key string) bool { return one[key] != last[key] }) {
			return false
		}
	}
	if s.Other != "" && (last[dbHost] == "" || last[dbUser] == "" || last[dbPassword] == "") {
		return false
	}
	if config := last["config"]; config != "" && !filepath.IsAbs(config) && strings.Contains(text, "cd ") {
		return false
	}
	r.runsOdoo(calls[len(calls)-1])
	return true
}

// commandIn is where the command begins in a script's arguments. Scripts that wait have
// words of their own before it: wait-for-it.sh db:5432 -t 60 -- odoo.
func commandIn(args []string) int {
	begin := 0
	for i, a := range args {
		if slices.Contains(entrypoint.Programs, filepath.Base(a)) {
			break
		}
		if a == "--" && i+1 < len(args) {
			begin = i + 1
		}
	}
	if begin > 0 {
		return begin
	}
	for i, a := range args {
		if _, err := exec.LookPath(a); err == nil {
			return i
		}
	}
	return 0
}

// shellLine is the text of sh -c TEXT.
func shellLine(args []string) (string, bool) {
	for i, a := range args {
		if !strings.HasPrefix(a, "-") {
			return "", false
		}
		if !strings.HasPrefix(a, "--") && strings.Contains(a, "c") && i+1 < len(args) {
			return args[i+1], true
		}
	}
	return "", false
}

// readScript is "" for what is no regular file of a script's size.
func readScript(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		path = name
	}
	if !isFile(path) {
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, entrypoint.MaxSize+1))
	if err != nil {
		return ""
	}
	return string(data)
}

func readable(path string) bool {
	f, err := os.Open(path)
	if err == nil {
		f.Close()
	}
	return err == nil
}
