package wording

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// TestNextOf: what an error says to do next is known without reading its text, also
// where others wrap it and say more.
func TestNextOf(t *testing.T) {
	cause := errors.New("no such directory")
	err := WithNext(fmt.Errorf("backup: %w", WithNext(cause, "To make it", "mkdir -p data")), "To undo what was done", "odpm adopt --undo")
	if want := "backup: no such directory\nTo make it: mkdir -p data\nTo undo what was done: odpm adopt --undo"; err.Error() != want {
		t.Errorf("%q", err)
	}
	if got := NextOf(err); !slices.Equal(got, []string{"mkdir -p data", "odpm adopt --undo"}) || !errors.Is(err, cause) {
		t.Errorf("%q", got)
	}
	if got := NextOf(ToContinue(cause, "run odpm with sudo", "sudo chmod g+r a        lets the group read it")); !slices.Equal(got, []string{"run odpm with sudo", "sudo chmod g+r a"}) {
		t.Errorf("%q", got)
	}
	if got := NextOf(errors.New("To make it: mkdir -p data")); got != nil {
		t.Errorf("a text alone: %q", got)
	}
}
