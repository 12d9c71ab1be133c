package load

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/odpm/odpm/host/odoodb/sqldump"
)

// chunkSize is what one connection gets of a table at a time. Reading COPY's
// text is what a load's time goes into, and a server does it on one core for
// each connection; so a table of more than a few chunks goes over several.
const chunkSize = 1 << 20

// copyRows loads the rows that follow a COPY statement. Rows keep their order
// within a chunk.
func (l *Loader) copyRows(ctx context.Context, sc *sqldump.Scanner, stmt string) error {
	first, err := l.session(ctx, 0)
	if err != nil {
		return err
	}
	if gone, err := l.rowsOfNoTable(ctx, first, stmt); err != nil || gone {
		return errors.Join(err, sc.CopyData(io.Discard))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := &copier{ctx: ctx, fail: cancel, l: l, stmt: stmt, most: l.Jobs, idle: make(chan *copyWorker, l.Jobs)}
	err = sc.CopyData(c)
	if err == nil && len(c.buf) > 0 {
		err = c.send(true)
	}
	if err != nil {
		cancel(err)
	}
	c.end()
	return context.Cause(ctx)
}

// copier deals out the rows of one table.
type copier struct {
	ctx  context.Context
	fail context.CancelCauseFunc
	l    *Loader
	stmt string
	// most is how many connections there may be.
	most    int
	workers []*copyWorker
	// idle are the workers that can take another chunk.
	idle chan *copyWorker
	// current has got the beginning of a row whose end is still to come.
	current *copyWorker
	wg      sync.WaitGroup

	buf []byte
	// before is the last byte that came, which may be sent already.
	before byte
}

// part is a stretch of rows; last where the row ends with it.
type part struct {
	bytes []byte
	last  bool
}

// Write takes a line, or a stretch of a long one.
func (c *copier) Write(p []byte) (int, error) {
	if c.buf == nil {
		c.buf = make([]byte, 0, chunkSize+chunkSize/4)
	}
	c.buf = append(c.buf, p...)
	n := len(c.buf)
	if n > 1 {
		c.before = c.buf[n-2]
	}
	// A newline after a backslash is the value's own.
	end := c.buf[n-1] == '\n' && c.before != '\\'
	c.before = c.buf[n-1]
	if n < chunkSize && !(end && c.current != nil) {
		return len(p), nil
	}
	return len(p), c.send(end)
}

// send hands over what has come together. A row larger than a chunk goes to
// one worker, part by part: it need not fit into memory.
func (c *copier) send(last bool) error {
	w := c.current
	if w == nil {
		var err error
		if w, err = c.free(); err != nil {
			return err
		}
	}
	select {
	case w.in <- part{c.buf, last}:
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
	c.buf, c.current = w.spare(), w
	if last {
		c.current = nil
	}
	return nil
}

// free waits for a worker, or makes one.
func (c *copier) free() (*copyWorker, error) {
	select {
	case w := <-c.idle:
		return w, nil
	default:
	}
	if len(c.workers) < c.most {
		s, err := c.l.session(c.ctx, len(c.workers))
		if err != nil {
			return nil, err
		}
		w := &copyWorker{c: c, in: make(chan part, 1), used: make(chan []byte, 2)}
		c.workers = append(c.workers, w)
		c.idle <- w
		c.wg.Go(func() {
			if _, err := s.conn.CopyFrom(c.ctx, w, s.checked(c.stmt)); err != nil {
				c.fail(s.failed(err, 0, c.stmt))
			}
		})
	}
	select {
	case w := <-c.idle:
		return w, nil
	case <-c.ctx.Done():
		return nil, context.Cause(c.ctx)
	}
}

func (c *copier) end() {
	for _, w := range c.workers {
		close(w.in)
	}
	c.wg.Wait()
}

// copyWorker is one connection's COPY; it reads what it is given.
type copyWorker struct {
	c  *copier
	in chan part
	// used are buffers to fill again.
	used chan []byte
	buf  []byte
	rest []byte
}

var errCopyAborted = errors.New("the load was aborted")

// Read gives COPY's data. The worker asks for its next chunk when it begins
// with the last part of this one, so that it need not wait then.
func (w *copyWorker) Read(b []byte) (int, error) {
	for len(w.rest) == 0 {
		if w.buf != nil {
			select {
			case w.used <- w.buf[:0]:
			default:
			}
			w.buf = nil
		}
		select {
		case p, ok := <-w.in:
			if w.c.ctx.Err() != nil {
				return 0, errCopyAborted
			}
			if !ok {
				return 0, io.EOF
			}
			w.buf, w.rest = p.bytes, p.bytes
			if p.last {
				w.c.idle <- w // there is room for every worker
			}
		case <-w.c.ctx.Done():
			return 0, errCopyAborted
		}
	}
	n := copy(b, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

// spare is a buffer that the worker is done with, nil where there is none.
func (w *copyWorker) spare() []byte {
	select {
	case b := <-w.used:
		return b
	default:
		return nil
	}
}
