package pdeflate

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

// Reader decompresses a deflate stream on several cores as far as it consists of pieces,
// as Writer's do: each ends with the empty stored block of a flush, at a byte
// boundary, and refers to nothing before it. Nobody says where they are. The bytes of that
// block are looked for, and a piece counts only where the one before it has ended
// just there; so the output is that of a reader of the whole stream. Where something else
// comes, the rest is left to serial.
type Reader struct {
	at     io.ReaderAt
	size   int64
	serial func(offset int64, window []byte) (io.Reader, error)

	work  chan *piece
	order chan *piece
	free  chan *piece
	stop  chan struct{}
	wg    sync.WaitGroup
	// again is the consumer's, for pieces that had to be joined.
	again *inflater

	cur    *piece
	rest   []byte // of cur's output
	offset int64  // of the next piece
	window []byte // the last output
	whole  io.Reader
	ended  bool
}

// piece is a stretch of the input.
type piece struct {
	in   []byte // with a capacity for what an inflater puts behind it
	end  int
	last bool
	out  []byte
	n    int
	used int
	// final: the stream has ended in it.
	final bool
	err   error
	done  chan struct{}
}

const (
	// minPiece is less than what BlockSize can be compressed to, so no piece of
	// Writer's becomes larger than two of them.
	minPiece = 1 << 10
	// maxPiece is more than BlockSize becomes where it cannot be compressed.
	maxPiece   = BlockSize + BlockSize/4
	windowSize = 1 << 15
	// maxJoined bounds the work that somebody can make: by chance, one in four billion
	// places has the four bytes.
	maxJoined = 4
)

var flushed = []byte{0, 0, 0xff, 0xff}

// NewReader reads size bytes. serial opens the rest of the stream from an offset on, with
// what was decompressed last. Close ends the goroutines.
func NewReader(at io.ReaderAt, size int64, workers int, serial func(offset int64, window []byte) (io.Reader, error)) *Reader {
	workers = max(workers, 1)
	n := workers + 2
	r := &Reader{at: at, size: size, serial: serial,
		work: make(chan *piece, n), order: make(chan *piece, n), free: make(chan *piece, n), stop: make(chan struct{}), again: newInflater()}
	for range n {
		r.free <- &piece{}
	}
	r.wg.Go(r.feed)
	for range workers {
		r.wg.Go(func() {
			f := newInflater()
			for p := range r.work {
				p.inflate(f)
				close(p.done)
			}
		})
	}
	return r
}

// Close ends the reading; a second one does nothing.
func (r *Reader) Close() {
	select {
	case <-r.stop:
	default:
		close(r.stop)
	}
	r.wg.Wait()
}

// inflate decompresses the piece.
func (p *piece) inflate(f *inflater) {
	if p.err != nil {
		return
	}
	for _, size := range []int{BlockSize, 2 * BlockSize} {
		if len(p.out) < size+probeSize {
			p.out = make([]byte, size+probeSize)
		}
		if p.n, p.used, p.final, p.err = f.piece(p.out, p.in, p.end); !errors.Is(p.err, errFull) {
			return
		}
	}
}

// feed cuts the input into pieces.
func (r *Reader) feed() {
	defer close(r.work)
	defer close(r.order)
	buf := make([]byte, 1<<17)
	p := r.get()
	for at := int64(0); p != nil && at < r.size; {
		b := buf[:min(int64(len(buf)), r.size-at)]
		if n, err := r.at.ReadAt(b, at); n < len(b) {
			p.err = err
			break
		}
		at += int64(len(b))
		for len(b) > 0 && p != nil {
			from := max(len(p.in), minPiece) - len(flushed) + 1
			p.in = append(p.in, b...)
			i := -1
			if from < len(p.in) {
				i = bytes.Index(p.in[from:], flushed)
			}
			if i < 0 {
				if len(p.in) > maxPiece {
					p.err = errFull
					r.send(p)
					return
				}
				break
			}
			cut := from + i + len(flushed)
			b = b[len(b)-(len(p.in)-cut):]
			p.in = p.in[:cut]
			if !r.send(p) {
				return
			}
			p = r.get()
		}
	}
	if p != nil {
		p.last = true
		r.send(p)
	}
}

// get waits for a piece to fill; nil at the end.
func (r *Reader) get() *piece {
	select {
	case p := <-r.free:
		*p = piece{in: p.in[:0], out: p.out, done: make(chan struct{})}
		return p
	case <-r.stop:
		return nil
	}
}

// send hands a piece to the workers; there is room for all of them.
func (r *Reader) send(p *piece) bool {
	p.end = len(p.in)
	select {
	case <-r.stop:
		return false
	default:
	}
	r.work <- p
	r.order <- p
	return true
}

func (r *Reader) Read(b []byte) (int, error) {
	for {
		switch {
		case r.whole != nil:
			return r.whole.Read(b)
		case len(r.rest) > 0:
			n := copy(b, r.rest)
			r.rest = r.rest[n:]
			return n, nil
		case r.ended:
			return 0, io.EOF
		}
		if err := r.next(); err != nil {
			return 0, err
		}
	}
}

// next takes the next piece, or leaves everything that follows to serial.
func (r *Reader) next() error {
	if r.cur != nil {
		r.free <- r.cur
		r.cur = nil
	}
	p, ok := <-r.order
	if !ok {
		return r.leave()
	}
	<-p.done
	for range maxJoined {
		if !isOurs(p.err) || p.last || p.end > maxPiece {
			break
		}
		// The four bytes are a flush's by chance: what follows belongs to it. Cut off in
		// the middle of a block, it may also have become too large: the probe is read as
		// more of the block then.
		q, ok := <-r.order
		if !ok {
			break
		}
		<-q.done
		if q.err != nil && !isOurs(q.err) {
			p.err = q.err
			break
		}
		p.in, p.last = append(p.in[:p.end], q.in[:q.end]...), q.last
		r.free <- q
		p.end, p.err = len(p.in), nil
		p.inflate(r.again)
	}
	if p.err != nil || p.final != p.last || p.final && p.used != p.end {
		return r.leave()
	}
	r.cur, r.rest, r.ended = p, p.out[:p.n], p.final
	r.offset += int64(p.end)
	if p.n < windowSize {
		r.window = append(r.window, r.rest...)
		r.window = append(r.window[:0], r.window[max(0, len(r.window)-windowSize):]...)
	} else {
		r.window = append(r.window[:0], r.rest[p.n-windowSize:]...)
	}
	return nil
}

// isOurs: the inflater says it, and not the disk.
func isOurs(err error) bool {
	return errors.Is(err, errShort) || errors.Is(err, errFull)
}

// leave gives the rest to serial.
func (r *Reader) leave() (err error) {
	r.Close()
	r.whole, err = r.serial(r.offset, r.window)
	return err
}
