// Package handover turns the checker into the program behind it: the same
// process, so that signals, exit code and standard streams are the program's.
package handover

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// Error is a program that cannot be started.
type Error struct {
	Program string
	// NotFound tells exit code 127 from 126.
	NotFound bool
	err      error
}

func (e *Error) Error() string {
	if e.NotFound {
		return "program " + quote(e.Program) + " was not found"
	}
	return "program " + quote(e.Program) + " cannot be run: " + e.err.Error()
}

func (e *Error) Unwrap() error { return e.err }

// Find resolves a program as a shell would, before anything is waited for.
func Find(program string) (string, error) {
	path, err := exec.LookPath(program)
	switch {
	case err == nil, errors.Is(err, exec.ErrDot):
		return path, nil
	case errors.Is(err, syscall.EACCES), errors.Is(err, os.ErrPermission):
		return "", &Error{Program: program, err: syscall.EACCES}
	case strings.Contains(program, "/"):
		if info, serr := os.Stat(program); serr == nil && info.IsDir() {
			return "", &Error{Program: program, err: syscall.EISDIR}
		}
	}
	return "", &Error{Program: program, NotFound: true, err: err}
}

// Exec becomes the program. It returns only with an error.
func Exec(path string, argv []string) error {
	err := syscall.Exec(path, argv, os.Environ())
	// ENOENT for a file that exists means a missing interpreter in its #! line
	// or a missing loader; shells say 126 or 127, we say what it is.
	if errors.Is(err, syscall.ENOENT) {
		if _, serr := os.Stat(path); serr == nil {
			return &Error{Program: argv[0], err: errors.New("its interpreter or loader does not exist")}
		}
		return &Error{Program: argv[0], NotFound: true, err: err}
	}
	return &Error{Program: argv[0], err: err}
}

func quote(s string) string {
	return `"` + strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s) + `"`
}
