package archive

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"runtime"
	"sync"

	"github.com/klauspost/compress/flate"

	"github.com/odpm/odpm/host/odoodb/pdeflate"
)

// check refuses an entry for what the directory says about it.
func (d *zipDir) check(e zipEntry) error {
	switch {
	case e.flags&flagEncrypted != 0:
		return fmt.Errorf("is encrypted (%q)", e.name)
	case e.method != methodStored && e.method != methodDeflated:
		return fmt.Errorf("has %q compressed with %s; Odoo reads stored and deflated files only", e.name, methodName(e.method))
	case e.method == methodStored && e.packed != e.size:
		return fmt.Errorf("has %q, which is not compressed but has two sizes, %d and %d bytes", e.name, e.packed, e.size)
	case e.size > maxInflated(e.packed):
		return fmt.Errorf("has %q, whose %d bytes cannot unpack to the %d that the directory says", e.name, e.packed, e.size)
	case e.offset+localLen+int64(len(e.name))+e.packed > d.limit(e):
		return fmt.Errorf("has %q, which shares its bytes with another entry", e.name)
	}
	return nil
}

// maxInflated is the most that so many bytes of deflate can become: 258 bytes
// for two bits.
func maxInflated(packed int64) int64 {
	if packed > math.MaxInt64/1032 {
		return math.MaxInt64
	}
	return packed * 1032
}

// open opens an entry. Its reader gives exactly as many bytes as the directory
// promises, and io.EOF only if everything that is said about the entry is true:
// the local header, sizes, checksum (0 is a checksum, too), and the descriptor
// after the data. wide: on several processors, as far as its compression allows.
func (d *zipDir) open(e zipEntry, wide bool) (*zipReader, error) {
	if err := d.check(e); err != nil {
		return nil, err
	}
	head := make([]byte, localLen+len(e.name))
	if _, err := d.r.ReadAt(head, e.offset); err != nil {
		return nil, fmt.Errorf("contains a damaged file, %q (%w)", e.name, err)
	}
	nameLen, extraLen := int64(le.Uint16(head[26:])), int64(le.Uint16(head[28:]))
	if !bytes.HasPrefix(head, []byte("PK\x03\x04")) || nameLen != int64(len(e.name)) || string(head[localLen:]) != e.name {
		return nil, fmt.Errorf("lists %q in its directory, but has something else there", e.name)
	}
	data := e.offset + localLen + nameLen + extraLen
	limit := d.limit(e)
	if data > limit || e.packed > limit-data {
		return nil, fmt.Errorf("has %q, which shares its bytes with another entry", e.name)
	}
	extra := make([]byte, extraLen)
	if _, err := d.r.ReadAt(extra, data-extraLen); err != nil {
		return nil, fmt.Errorf("contains a damaged file, %q (%w)", e.name, err)
	}
	if !e.agrees(head, extra) {
		return nil, fmt.Errorf("describes %q differently in its directory and in front of its data", e.name)
	}
	r := zipReaders.Get().(*zipReader)
	r.d, r.e, r.after, r.limit = d, e, data+e.packed, limit
	r.crc, r.left, r.err, r.data = 0, e.size, nil, data
	if r.pieces = nil; wide && e.method == methodDeflated && e.size >= minWide {
		r.packed.Reset(bytes.NewReader(nil))
		r.pieces = pdeflate.NewReader(io.NewSectionReader(d.r, data, e.packed), e.packed, min(runtime.GOMAXPROCS(0), maxInflaters), r.whole)
		return r, nil
	}
	_, err := r.whole(0, nil)
	return r, err
}

const (
	// minWide is the size from which on several processors are worth it, maxInflaters
	// how many: each takes some 3 MB.
	minWide      = 4 * pdeflate.BlockSize
	maxInflaters = 4
)

// whole goes on with the data as one stream, whose last output was window.
func (r *zipReader) whole(offset int64, window []byte) (io.Reader, error) {
	r.packed.Reset(io.NewSectionReader(r.d.r, r.data+offset, r.e.packed-offset))
	if r.e.method == methodDeflated {
		return r.inflate, r.inflate.(flate.Resetter).Reset(r.packed, window)
	}
	return r.packed, nil
}

// agrees compares the local header with the directory's record. With a
// descriptor after the data the local one may say 0.
func (e *zipEntry) agrees(local, extra []byte) bool {
	flags, method := le.Uint16(local[6:]), le.Uint16(local[8:])
	if flags&(flagEncrypted|flagDescriptor) != e.flags&(flagEncrypted|flagDescriptor) || method != e.method {
		return false
	}
	crc, packed, size := le.Uint32(local[14:]), int64(le.Uint32(local[18:])), int64(le.Uint32(local[22:]))
	if zip64(extra, &size, &packed) != nil {
		return false
	}
	if later := e.flags&flagDescriptor != 0; later {
		return (crc == 0 || crc == e.crc) && (packed == 0 || packed == e.packed || packed == math.MaxUint32) && (size == 0 || size == e.size || size == math.MaxUint32)
	}
	return crc == e.crc && packed == e.packed && size == e.size
}

// zipReader reads one entry.
type zipReader struct {
	d            *zipDir
	e            zipEntry
	packed       *bufio.Reader
	inflate      io.ReadCloser
	pieces       *pdeflate.Reader // instead of inflate, nil for most
	data         int64            // where they begin
	after, limit int64            // where the data end, and where everything of the entry has to
	crc          uint32
	left         int64
	err          error
}

// A file store has many small files, and a decompressor takes 40 KB.
var zipReaders = sync.Pool{New: func() any {
	return &zipReader{packed: bufio.NewReaderSize(nil, 1<<16), inflate: flate.NewReader(bytes.NewReader(nil))}
}}

func (r *zipReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	var n int
	switch {
	case r.pieces != nil:
		n, r.err = r.pieces.Read(p)
	case r.e.method == methodDeflated:
		n, r.err = r.inflate.Read(p)
	default:
		n, r.err = r.packed.Read(p)
	}
	if int64(n) > r.left {
		n, r.err = 0, fmt.Errorf("has %q larger than its directory says", r.e.name)
		return n, r.err
	}
	r.left -= int64(n)
	r.crc = crc32.Update(r.crc, crc32.IEEETable, p[:n])
	switch {
	case errors.Is(r.err, io.EOF):
		r.err = r.end()
	case r.err != nil:
		r.err = fmt.Errorf("contains a damaged file, %q (%w)", r.e.name, r.err)
	}
	return n, r.err
}

// end is asked when the data have ended.
func (r *zipReader) end() error {
	switch _, err := r.packed.Peek(1); {
	case r.left != 0:
		return fmt.Errorf("has %q smaller than its directory says", r.e.name)
	case r.crc != r.e.crc:
		return fmt.Errorf("contains a damaged file, %q: its checksum is %08x instead of %08x", r.e.name, r.crc, r.e.crc)
	case err == nil:
		return fmt.Errorf("has extra bytes after the end of %q", r.e.name)
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("contains a damaged file, %q (%w)", r.e.name, err)
	case r.e.flags&flagDescriptor != 0 && !r.descriptor():
		return fmt.Errorf("describes %q differently in its directory and after its data", r.e.name)
	}
	return io.EOF
}

// descriptor compares what follows the data: a signature that some
// writers leave out, the checksum, and two sizes of 32 or 64 bits.
func (r *zipReader) descriptor() bool {
	b := make([]byte, min(24, r.limit-r.after))
	if _, err := r.d.r.ReadAt(b, r.after); err != nil {
		return false
	}
	for _, signature := range []string{"PK\x07\x08", ""} {
		rest, ok := bytes.CutPrefix(b, []byte(signature))
		if !ok || len(rest) < 12 || le.Uint32(rest) != r.e.crc {
			continue
		}
		if le.Uint32(rest[4:]) == uint32(r.e.packed) && le.Uint32(rest[8:]) == uint32(r.e.size) ||
			len(rest) >= 20 && le.Uint64(rest[4:]) == uint64(r.e.packed) && le.Uint64(rest[12:]) == uint64(r.e.size) {
			return true
		}
	}
	return false
}

// Close ends the reading; a second one does nothing.
func (r *zipReader) Close() error {
	if r.d == nil {
		return nil
	}
	if r.pieces != nil {
		r.pieces.Close()
		r.pieces = nil
	}
	r.packed.Reset(nil)
	r.d = nil
	zipReaders.Put(r)
	return nil
}

// foreign says whether another program unpacks the entry and this one does not.
func (e zipEntry) foreign() bool {
	return e.flags&flagEncrypted != 0 || e.method != methodStored && e.method != methodDeflated
}

// methodName is what people know a method as: Windows' Explorer takes Deflate64 for
// what is large.
func methodName(method uint16) string {
	if n := map[uint16]string{9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "zstd", 95: "xz", 99: "AES encryption"}[method]; n != "" {
		return n
	}
	return fmt.Sprintf("method %d", method)
}
