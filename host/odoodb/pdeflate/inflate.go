package pdeflate

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"slices"

	"github.com/klauspost/compress/flate"
)

// probeSize is more than chance, or somebody who made the stream, can guess.
const probeSize = 8

// inflater decompresses pieces of a deflate stream (RFC 1951) that are whole in memory.
// The library does not say whether a piece ended between two blocks, so a stored block
// with a probe, which nobody knows beforehand, and an empty last one are put behind it:
// the probe comes out again only where a new block may begin, and its header with it where
// a stored block of the stream goes on.
type inflater struct {
	probe, suffix []byte
	in            bytes.Reader
	r             io.ReadCloser
}

// probeHeader is a stored block's, of probeSize bytes.
var probeHeader = []byte{0, probeSize, 0, ^byte(probeSize), 0xff}

func newInflater() *inflater {
	probe := make([]byte, probeSize)
	_, _ = rand.Read(probe) // never fails
	return withProbe(probe)
}

func withProbe(probe []byte) *inflater {
	f := &inflater{probe: probe, suffix: slices.Concat(probeHeader, probe, []byte{1, 0, 0, 0xff, 0xff})}
	f.r = flate.NewReader(&f.in)
	return f
}

var (
	// errShort: the piece does not end between two blocks, or is not deflate, or refers
	// to bytes in front of it.
	errShort = errors.New("pdeflate: not a piece of its own")
	// errFull: it becomes larger than there is room.
	errFull = errors.New("pdeflate: a piece is too large")
)

// piece decompresses src[:end] into dst, of which probeSize bytes at the end are not
// for use; src has room for the suffix behind it. It returns how long the result is and
// where the stream ended: final, or else at the end of src and between two blocks.
func (f *inflater) piece(dst, src []byte, end int) (n, used int, final bool, err error) {
	f.in.Reset(append(src[:end], f.suffix...))
	if err := f.r.(flate.Resetter).Reset(&f.in, nil); err != nil {
		return 0, 0, false, err
	}
	for err == nil && n < len(dst) {
		var m int
		m, err = f.r.Read(dst[n:])
		n += m
	}
	if err == nil {
		// Nothing may follow, but the end may not have been seen.
		var more [1]byte
		if m, e := f.r.Read(more[:]); m > 0 || e == nil {
			return 0, 0, false, errFull
		} else {
			err = e
		}
	}
	left := f.in.Len()
	switch {
	case !errors.Is(err, io.EOF):
		return 0, 0, false, errShort
	case left >= len(f.suffix) && n <= len(dst)-probeSize:
		return n, end - (left - len(f.suffix)), true, nil
	case left >= len(f.suffix):
		return 0, 0, false, errFull
	case left == 0 && bytes.HasSuffix(dst[:n], f.probe) && !bytes.HasSuffix(dst[:n-probeSize], probeHeader):
		return n - probeSize, end, false, nil
	default:
		return 0, 0, false, errShort
	}
}
