package ui

import (
	"errors"
	"fmt"
	"strings"

	"github.com/odpm/odpm/host/codes"
)

// Refusal is something odpm will not do unasked: drift not accepted, something
// found that it refuses to touch, a confirmation that nobody could give. It
// ends a run with exit code 3.
type Refusal struct {
	// Code is what "odpm explain" knows it by.
	Code codes.Code
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
		return strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), "\n", " ")), " "), append(next, waysIn(err.Error())...)
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

// waysIn are the ways out that the text of an error has: what follows "To make
// it: " or its like at the end of a line, and the lines below "To continue:".
func waysIn(text string) (ways []string) {
	below := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		way, indented := strings.CutPrefix(line, "  ")
		intro, rest, found := strings.Cut(line, ": ")
		switch {
		case line == "To continue:":
			below = true
			continue
		case below && indented:
		case found && (strings.HasPrefix(intro, "To ") || strings.HasPrefix(intro, "For a ")):
			way, below = rest, false
		default:
			below = false
			continue
		}
		way, _, _ = strings.Cut(way, "        ")
		ways = append(ways, way)
	}
	return ways
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
