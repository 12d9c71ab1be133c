package ui

import (
	"errors"
	"fmt"
	"strings"

	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/wording"
)

// Refusal is something odpm will not do unasked: drift not accepted, something
// found that it refuses to touch, a confirmation that nobody could give. It
// ends a run with exit code 3.
type Refusal struct {
	// Code is what "odpm explain" knows it by.
	Code codes.Code
	// Kinds are the kinds of drift that it is about; "odpm explain" says more of each
	// than of Code.
	Kinds []codes.Code
	// What happened and why, one sentence or more.
	What string
	// Details are shown below, one a line.
	Details []string
	// Ways are what a person can do: commands or settings, one a line.
	Ways []string
	// Err is kept for errors.Is.
	Err error
}

func (r *Refusal) Error() string {
	var b strings.Builder
	b.WriteString(r.What)
	for _, d := range r.Details {
		b.WriteString("\n  " + d)
	}
	if len(r.Ways) > 0 {
		b.WriteString("\nTo continue:")
		for _, w := range r.Ways {
			b.WriteString("\n  " + w)
		}
	}
	return b.String()
}

// OneLine is an error without its ways out, which are given apart: a command
// or a setting each, without its explanation.
func OneLine(err error) (message string, next []string) {
	next = []string{}
	var r *Refusal
	if !errors.As(err, &r) {
		return strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), "\n", " ")), " "), append(next, wording.NextOf(err)...)
	}
	message, _, _ = strings.Cut(r.What, "\n")
	if len(r.Details) > 0 {
		message += " " + strings.Join(r.Details, "; ")
	}
	for _, w := range r.Ways {
		w, _, _ = strings.Cut(w, "        ")
		next = append(next, strings.TrimPrefix(strings.TrimSpace(w), "or "))
	}
	return message, next
}

func (r *Refusal) Unwrap() error { return r.Err }

// IsRefusal tells whether err ends a run with exit code 3.
func IsRefusal(err error) bool {
	var r *Refusal
	return errors.As(err, &r)
}

// Usage is a mistake in the command line; exit code 2.
type Usage struct{ Err error }

func (u *Usage) Error() string { return u.Err.Error() }
func (u *Usage) Unwrap() error { return u.Err }

// Usagef makes a usage error.
func Usagef(format string, args ...any) error { return &Usage{fmt.Errorf(format, args...)} }

// IsUsage tells whether err is a mistake in the command line.
func IsUsage(err error) bool {
	var u *Usage
	return errors.As(err, &u)
}
