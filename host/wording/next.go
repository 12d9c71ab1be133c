package wording

import (
	"errors"
	"fmt"
	"strings"
)

// withNext is an error that knows its next steps, which its text has too: JSON gives
// them apart.
type withNext struct {
	error
	next []string
}

func (w *withNext) Unwrap() error { return w.error }

// WithNext is err with a command that gets further, on a line of its own behind what
// it is for, as in "To make it: mkdir -p data".
func WithNext(err error, purpose, command string) error {
	return &withNext{fmt.Errorf("%w\n%s: %s", err, purpose, command), []string{command}}
}

// ToContinue is err with ways out, each a command or a sentence, with its explanation
// behind eight spaces.
func ToContinue(err error, ways ...string) error {
	w := &withNext{error: fmt.Errorf("%w\nTo continue:\n  %s", err, strings.Join(ways, "\n  "))}
	for _, way := range ways {
		way, _, _ = strings.Cut(way, "        ")
		w.next = append(w.next, way)
	}
	return w
}

// NextOf are the next steps of an error and of those that it wraps, in the order in
// which its text has them.
func NextOf(err error) []string {
	var all []string
	for w := (*withNext)(nil); errors.As(err, &w); err = w.error {
		all = append(append([]string{}, w.next...), all...)
	}
	return all
}
