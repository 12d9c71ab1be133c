// Package behind puts the checker behind a shell script that starts Odoo, to
// see what the script finally gives to it: in front of PATH comes a directory
// in which odoo is a link to the checker. The script runs once, as it is, and
// in its process; where it starts odoo, the checker proves that very login and
// becomes the real one.
package behind

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/odpm/odpm/checker/connection"
	"github.com/odpm/odpm/shared/entrypoint"
)

// Env carries the State through the script. It does not reach Odoo.
const Env = "ODPM_BEHIND"

// State is what the checker behind a script knows from the one before it.
type State struct {
	// Script is for messages, Flags are the checker's own.
	Script string
	Flags  []string
	// Dir is in front of PATH, and Links are the names in it.
	Dir   string
	Links []string
	// Given is a program that the script is to execute by its path, which
	// starts Odoo; a link to the checker in a directory of its own stands for
	// it, so that the script's other uses of such a name are its own.
	Given string
	// PID is the process that made Dir: the last one to use it, too, where
	// everything is exec'd.
	PID int
	// StartID is the start that was announced before the script began.
	StartID string
	// Report is the descriptor that the outcome of --check goes to, or 0.
	Report int
}

// Error is a directory that cannot be made.
type Error struct{ err error }

func (e *Error) Error() string {
	return "odpm-checker needs a writable directory to wait behind the script, and found none: " + e.err.Error()
}

func (e *Error) Unwrap() error { return e.err }

// New makes the directory. What the script is to execute by its path is
// replaced in argv.
func New(s *connection.Script, flags, argv []string) (*State, []string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, &Error{err}
	}
	st := &State{Script: s.Name, Flags: flags, PID: os.Getpid()}
	names := entrypoint.Programs
	if s.WaitsLast {
		// The checker waits itself, for longer and with a reason.
		names = append(slices.Clone(names), entrypoint.WaitProgram)
	}
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			st.Links = append(st.Links, name)
		}
	}
	if s.Program > 0 {
		if st.Given, err = exec.LookPath(argv[s.Program]); err != nil {
			st.Given = ""
		}
	}
	if err := st.makeDir(self); err != nil {
		return nil, nil, &Error{err}
	}
	if st.Given != "" {
		argv = slices.Clone(argv)
		argv[s.Program] = st.given()
	}
	return st, argv, nil
}

func (st *State) given() string { return filepath.Join(st.Dir, "given", filepath.Base(st.Given)) }

// makeDir tries where a container with a read-only root can write as well:
// every container has a /dev/shm of its own, and Odoo a home. A link works on a
// file system that is mounted noexec.
func (st *State) makeDir(self string) error {
	var errs []error
	for _, parent := range []string{os.TempDir(), "/dev/shm", os.Getenv("HOME")} {
		if parent == "" {
			continue
		}
		dir, err := os.MkdirTemp(parent, "odpm-checker-")
		if err == nil {
			// The script may become another user (gosu).
			err = os.Chmod(dir, 0o755)
			st.Dir = dir
			for _, name := range st.Links {
				err = errors.Join(err, os.Symlink(self, filepath.Join(dir, name)))
			}
			if st.Given != "" {
				err = errors.Join(err, os.Mkdir(filepath.Dir(st.given()), 0o755), os.Symlink(self, st.given()))
			}
			if err == nil {
				return nil
			}
			os.RemoveAll(dir)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// defaultPath is a shell's where PATH is unset.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Enter changes the environment for the script.
func (st *State) Enter() error {
	text, err := json.Marshal(st)
	if err != nil {
		return err
	}
	path := os.Getenv("PATH")
	if path == "" {
		path = defaultPath
	}
	return errors.Join(os.Setenv("PATH", st.Dir+":"+path), os.Setenv(Env, string(text)))
}

// Called tells whether the checker was called in the place of another program,
// and by which name or path that one is found. A script that calls the checker
// by its own name means the checker; st is not nil then either.
func Called(arg0 string) (st *State, program string, called bool) {
	text := os.Getenv(Env)
	if text == "" {
		return nil, "", false
	}
	st = &State{}
	if err := json.Unmarshal([]byte(text), st); err != nil {
		return nil, "", false
	}
	switch name := filepath.Base(arg0); {
	case st.Given != "" && arg0 == st.given():
		return st, st.Given, true
	case slices.Contains(st.Links, name):
		return st, name, true
	}
	// What this one proves is not the script's doing.
	st.Script = ""
	return st, "", false
}

// Leave makes the environment the script's own again.
func (st *State) Leave() error {
	path := slices.DeleteFunc(strings.Split(os.Getenv("PATH"), ":"), func(dir string) bool { return dir == st.Dir })
	return errors.Join(os.Setenv("PATH", strings.Join(path, ":")), os.Unsetenv(Env))
}

// Done takes the directory away where nobody looks into it any more, and says
// to a --check how it ended.
func (st *State) Done(err error) {
	if st.Report != 0 {
		word := proven
		if err != nil {
			word = failed
		}
		fmt.Fprint(os.NewFile(uintptr(st.Report), "report"), word)
		return
	}
	if st.PID == os.Getpid() {
		os.RemoveAll(st.Dir)
	}
}
