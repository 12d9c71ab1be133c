package ui

import (
	"os"
	"sync"
)

// Output is standard output, where results go. It remembers the first write
// that failed: a result that nobody got is a failure of the command, and
// whoever writes does not have to look.
type Output struct {
	f   *os.File
	mu  sync.Mutex
	err error
}

// NewOutput is for one file and one run.
func NewOutput(f *os.File) *Output { return &Output{f: f} }

func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.f.Write(p)
	if err != nil {
		o.err = &OutputError{err}
	}
	return n, o.err
}

// OutputError is a result that could not be written.
type OutputError struct{ Err error }

func (e *OutputError) Error() string { return "the result could not be written: " + e.Err.Error() }
func (e *OutputError) Unwrap() error { return e.Err }

// Close gives the first error. A network's file system tells only now that it
// has no room.
func (o *Output) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.f.Close(); err != nil && o.err == nil {
		o.err = &OutputError{err}
	}
	return o.err
}
