package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Input is a program's stdin that ends only if it really has ended. psql takes
// the end of its input for the end of the script, and with
// --single-transaction commits what came so far: a producer that failed, or
// whose work was cancelled, must not look like that. In both cases the input
// stays open until the program was killed.
type Input struct {
	ctx      context.Context
	fail     context.CancelCauseFunc
	r        io.Reader
	released chan struct{}
	once     sync.Once
}

// NewInput gives the context that the program must run under and its input.
// Whoever kills the program calls Release afterwards.
func NewInput(ctx context.Context, r io.Reader) (context.Context, *Input) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, &Input{ctx: ctx, fail: cancel, r: r, released: make(chan struct{})}
}

// Reader is what the program reads: nil where there is none. A file is given
// as it is, since the program then reads it itself.
func (i *Input) Reader() io.Reader {
	if i.r == nil {
		return nil
	}
	if f, ok := i.r.(*os.File); ok {
		return f
	}
	return i
}

func (i *Input) Read(p []byte) (int, error) {
	n, err := i.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		i.fail(fmt.Errorf("its input failed: %w", err))
	}
	if err != nil && i.ctx.Err() != nil {
		select {
		case <-i.released:
		case <-time.After(time.Minute):
			// The program ended by itself; nobody kills it.
		}
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// Release lets go of the input.
func (i *Input) Release() {
	i.once.Do(func() { close(i.released) })
}

// Err is why the program was ended early: the producer's error or ctx's.
func (i *Input) Err() error {
	if i.ctx.Err() == nil {
		return nil
	}
	return context.Cause(i.ctx)
}
