package archive

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// compression is pg_dump's PG_COMPRESSION_*, and gzip for the files of its
// directory format.
type compression int

const (
	compressNone compression = iota
	compressZlib
	compressLZ4
	compressZstd
	compressGzip
)

// maxWindow is what zstd up to its level 20 looks back.
const maxWindow = 32 << 20

// inflate copies what is compressed to w.
func inflate(w io.Writer, r io.Reader, c compression) error {
	in := bufio.NewReader(r)
	if _, err := in.Peek(1); errors.Is(err, io.EOF) {
		return nil // nothing was written, not even a head
	}
	var err error
	switch c {
	case compressNone:
		_, err = io.Copy(w, in)
	case compressZlib:
		var z io.ReadCloser
		if z, err = zlib.NewReader(in); err == nil {
			_, err = io.Copy(w, z)
		}
	case compressGzip:
		err = gunzipTo(w, in)
	case compressLZ4:
		_, err = io.Copy(w, lz4.NewReader(in))
	case compressZstd:
		var z *zstd.Decoder
		z, err = zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err == nil {
			_, err = io.Copy(w, z)
			z.Close()
		}
		if errors.Is(err, zstd.ErrWindowSizeExceeded) {
			err = fmt.Errorf("compressed with zstd of a level above 20, which takes more than %d MiB of memory; make SQL of it: pg_restore --no-owner -f backup.sql", maxWindow>>20)
		}
	default:
		err = fmt.Errorf("compressed in a way that this odpm does not know (%d)", c)
	}
	if err == nil {
		_, err = io.Copy(io.Discard, in)
	}
	return err
}

// chunkReader joins the chunks of a block: a length and as many bytes, until a
// length of 0.
type chunkReader struct {
	d    *dumpReader
	left int
	end  bool
}

func (c *chunkReader) Read(p []byte) (int, error) {
	for c.left == 0 {
		if c.end {
			return 0, io.EOF
		}
		if c.left = c.d.int(); c.d.err != nil {
			return 0, io.ErrUnexpectedEOF
		}
		if c.left < 0 {
			return 0, fmt.Errorf("a chunk of %d bytes", c.left)
		}
		c.end = c.left == 0
	}
	n, err := c.d.r.Read(p[:min(len(p), c.left)])
	c.left -= n
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// blocks reads the custom format's data, which stand in the order of the table of
// contents behind it, and gives each to fn, of large objects one after the other.
func (a *Archive) blocks(d *dumpReader, h dumpHead, entries []entry, fn func(e entry, object int, data func(io.Writer) error) error) error {
	byID := make(map[int]*entry, len(entries))
	for i := range entries {
		byID[entries[i].id] = &entries[i]
	}
	for left := len(entries); ; left-- {
		if left == 0 {
			return a.contentsAgain(d, h, byID)
		}
		kind, err := d.r.ReadByte()
		if errors.Is(err, io.EOF) {
			return a.missing(entries)
		}
		id := d.int()
		if err = errors.Join(err, d.err); err != nil {
			return a.refuse("is damaged or truncated (%v)", err)
		}
		e := byID[id]
		if e == nil || !e.hasData || kind != 1 && kind != 3 {
			return a.refuse("is damaged: it has a data block that is not in its table of contents, or twice (type %d, number %d)", kind, id)
		}
		e.hasData = false
		for object := -1; ; {
			if kind == 3 {
				if object = d.int(); d.err != nil {
					return a.refuse("is damaged or truncated in its large objects")
				}
				if object == 0 {
					break
				}
			}
			err := fn(*e, object, func(w io.Writer) error {
				chunks := &chunkReader{d: d}
				err := inflate(w, chunks, h.compression)
				if err == nil && d.err == nil {
					_, err = io.Copy(io.Discard, chunks)
				}
				return errors.Join(err, d.err)
			})
			if err != nil {
				return err
			}
			if kind != 3 {
				break
			}
		}
	}
}

// missing names an entry whose data did not come.
func (a *Archive) missing(entries []entry) error {
	for _, e := range entries {
		if e.hasData {
			return a.refuse("is damaged or truncated: the data of %s %q is missing", e.desc, e.tag)
		}
	}
	return nil
}

// contentsAgain reads what may stand behind the data. In the end pg_dump writes the
// table of contents once more, with the places of the data in it, over the first
// one; pg_dump 18 writes to a file that is its standard output (pg_dump -Fc db > file)
// in append mode, and there the second one stands behind the data.
func (a *Archive) contentsAgain(d *dumpReader, h dumpHead, byID map[int]*entry) error {
	if _, err := d.r.Peek(1); errors.Is(err, io.EOF) {
		return nil
	}
	behind := a.refuse("is damaged: its data is followed by something that pg_dump does not write")
	left := len(byID)
	err := a.contents(d, h, func(e entry, _ []byte) error {
		if first := byID[e.id]; e.hasData {
			if left--; first == nil || first.tag != e.tag || first.desc != e.desc {
				return behind
			}
		}
		return nil
	})
	if _, more := d.r.Peek(1); err != nil || left != 0 || !errors.Is(more, io.EOF) {
		return behind
	}
	return nil
}
