// Package pdeflate writes one deflate stream on all cores. The input is cut
// into blocks that are compressed each for itself and end at a byte boundary
// (zlib's Z_SYNC_FLUSH), so that their concatenation is a stream that every
// inflater reads, at the price of about one percent of size.
package pdeflate

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// BlockSize is how much input is compressed at a time. Memory is about four
// times as much for every worker.
const BlockSize = 1 << 20

type block struct {
	in   []byte
	out  bytes.Buffer
	last bool
	done chan struct{}
	err  error
}

// Writer compresses what is written to it. It is for one goroutine.
type Writer struct {
	cur    *block
	work   chan *block
	order  chan *block
	free   chan *block
	ended  chan struct{}
	closed bool

	mu  sync.Mutex
	err error
}

// NewWriter compresses to w with as many goroutines as workers. Close it, or
// call Stop, or they stay.
func NewWriter(w io.Writer, level, workers int) (*Writer, error) {
	workers = max(workers, 1)
	encoders := make([]*flate.Writer, workers)
	for i := range encoders {
		e, err := flate.NewWriter(io.Discard, level)
		if err != nil {
			return nil, err
		}
		encoders[i] = e
	}
	n := workers + 2
	p := &Writer{work: make(chan *block, n), order: make(chan *block, n), free: make(chan *block, n), ended: make(chan struct{})}
	for range n {
		p.free <- &block{}
	}
	for _, e := range encoders {
		go p.compress(e)
	}
	go p.output(w)
	return p, nil
}

func (p *Writer) compress(e *flate.Writer) {
	for b := range p.work {
		b.out.Reset()
		e.Reset(&b.out)
		_, err := e.Write(b.in)
		if err == nil {
			if b.last {
				err = e.Close()
			} else {
				err = e.Flush()
			}
		}
		b.err = err
		close(b.done)
	}
}

func (p *Writer) output(w io.Writer) {
	defer close(p.ended)
	for b := range p.order {
		<-b.done
		if p.failed() == nil {
			err := b.err
			if err == nil {
				_, err = w.Write(b.out.Bytes())
			}
			if err != nil {
				p.fail(err)
			}
		}
		p.free <- b
	}
}

func (p *Writer) failed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *Writer) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
}

// Write takes data; an error may be one of data that were written before.
func (p *Writer) Write(data []byte) (int, error) {
	if p.closed {
		return 0, errors.New("pdeflate: write after close")
	}
	n := len(data)
	for len(data) > 0 {
		if err := p.failed(); err != nil {
			return 0, err
		}
		b := p.block()
		m := min(len(data), BlockSize-len(b.in))
		b.in = append(b.in, data[:m]...)
		if data = data[m:]; len(b.in) == BlockSize {
			p.send(false)
		}
	}
	return n, nil
}

func (p *Writer) block() *block {
	if p.cur == nil {
		p.cur = <-p.free
		if p.cur.in == nil {
			p.cur.in = make([]byte, 0, BlockSize)
		}
		p.cur.in, p.cur.err, p.cur.done = p.cur.in[:0], nil, make(chan struct{})
	}
	return p.cur
}

func (p *Writer) send(last bool) {
	b := p.block()
	b.last = last
	p.cur = nil
	p.order <- b
	p.work <- b
}

// Close ends the stream and waits until it is written.
func (p *Writer) Close() error {
	if !p.closed {
		p.send(true)
	}
	p.Stop()
	return p.failed()
}

// Stop ends the goroutines without ending the stream; after Close it does nothing.
func (p *Writer) Stop() {
	if p.closed {
		return
	}
	p.closed = true
	close(p.work)
	close(p.order)
	<-p.ended
}
