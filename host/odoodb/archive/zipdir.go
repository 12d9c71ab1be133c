package archive

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
)

// zipDir is a zip's central directory. The standard library's reader keeps
// some 300 bytes of every entry, which a million files of a file store (or of
// an attacker) make 300 MB; this one reads the directory again for each pass
// and keeps 8 bytes an entry. It is strict where the other is lenient: it
// never skips a checksum, and no two entries may share a byte.
type zipDir struct {
	r io.ReaderAt
	// start and end are the directory's bytes in the file; base is what is to be
	// added to the offsets in it.
	start, end, base int64
	// offsets are those of all local headers, ascending.
	offsets []int64
}

// zipEntry is a record of the directory.
type zipEntry struct {
	name          string // as it is
	mode          os.FileMode
	flags, method uint16
	crc           uint32
	packed, size  int64
	offset        int64 // of the local header, in the file
}

const (
	methodStored   = 0
	methodDeflated = 8

	flagEncrypted  = 1 << 0
	flagDescriptor = 1 << 3

	recordLen = 46
	localLen  = 30
	endLen    = 22

	zip64EndLen = 56

	// maxEntries is four times what the largest file stores that people tell of
	// have. It bounds memory: 16 bytes an entry.
	maxEntries = 4 << 20
)

var le = binary.LittleEndian

func openZipDir(r io.ReaderAt, size int64) (*zipDir, error) {
	d := &zipDir{r: r}
	count, exact, err := d.findEnd(size)
	if err != nil {
		return nil, err
	}
	if count > maxEntries {
		return nil, fmt.Errorf("its directory has more than %d entries, which is the limit", maxEntries)
	}
	n := uint64(0)
	d.offsets = make([]int64, 0, min(count, uint64(d.end-d.start)/recordLen))
	err = d.each(func(e zipEntry) error {
		if n++; n > maxEntries {
			return fmt.Errorf("its directory has more than %d entries, which is the limit", maxEntries)
		}
		d.offsets = append(d.offsets, e.offset)
		return nil
	})
	if err != nil {
		return nil, err
	}
	// Before ZIP64, writers let the count run over.
	if exact && n != count || !exact && n&0xffff != count {
		return nil, fmt.Errorf("its directory says %d entries and has %d", count, n)
	}
	slices.Sort(d.offsets)
	for i := 1; i < len(d.offsets); i++ {
		if d.offsets[i] == d.offsets[i-1] {
			return nil, errors.New("two of its entries share the same bytes")
		}
	}
	return d, nil
}

// findEnd reads the record at the end of a zip, and ZIP64's if there is one.
// exact: the count is not one of 16 bits.
func (d *zipDir) findEnd(size int64) (count uint64, exact bool, err error) {
	tail := make([]byte, min(size, endLen+math.MaxUint16))
	if _, err := d.r.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return 0, false, err
	}
	i := len(tail) - endLen
	for ; i >= 0; i-- {
		if bytes.HasPrefix(tail[i:], []byte("PK\x05\x06")) && i+endLen+int(le.Uint16(tail[i+20:])) <= len(tail) {
			break
		}
	}
	if i < 0 {
		return 0, false, errors.New("it has no directory at its end")
	}
	at := size - int64(len(tail)) + int64(i)
	end := tail[i:]
	count = uint64(le.Uint16(end[10:]))
	length, start := uint64(le.Uint32(end[12:])), uint64(le.Uint32(end[16:]))
	disks := le.Uint16(end[4:]) != 0 || le.Uint16(end[6:]) != 0 || le.Uint16(end[8:]) != le.Uint16(end[10:])
	if i >= 20 && bytes.HasPrefix(tail[i-20:], []byte("PK\x06\x07")) {
		rec, where, err := d.zip64End(le.Uint64(tail[i-20+8:]), at-20)
		if err != nil {
			return 0, false, err
		}
		at, exact = where, true
		count, length, start = le.Uint64(rec[32:]), le.Uint64(rec[40:]), le.Uint64(rec[48:])
		disks = le.Uint32(rec[16:]) != 0 || le.Uint32(rec[20:]) != 0 || le.Uint64(rec[24:]) != count
	}
	if disks {
		return 0, false, errSegmented
	}
	if length > uint64(at) || start > uint64(at)-length {
		return 0, false, errors.New("its directory is outside the file")
	}
	d.end = at
	d.start = at - int64(length)
	d.base = d.start - int64(start)
	return count, exact, nil
}

// errSegmented is a zip in several files.
var errSegmented = errors.New("it is one part of a multi-part zip")

// zip64End reads ZIP64's record, which is where the locator says. Where something stands
// in front of the zip it is later by as much, directly before the locator: everybody
// writes it without more than its fields.
func (d *zipDir) zip64End(where uint64, locator int64) (rec []byte, at int64, err error) {
	rec = make([]byte, zip64EndLen)
	if where > uint64(max(locator, 0)) {
		return nil, 0, errors.New("its ZIP64 directory is outside the file")
	}
	for _, at := range []int64{int64(where), locator - zip64EndLen} {
		if at < int64(where) {
			continue
		}
		if _, err := d.r.ReadAt(rec, at); err == nil && bytes.HasPrefix(rec, []byte("PK\x06\x06")) {
			return rec, at, nil
		}
	}
	return nil, 0, errors.New("its ZIP64 directory is damaged")
}

// each reads the directory from its beginning to its end.
func (d *zipDir) each(yield func(zipEntry) error) error {
	r := bufio.NewReaderSize(io.NewSectionReader(d.r, d.start, d.end-d.start), 1<<16)
	var rec [recordLen]byte
	var buf []byte
	for {
		if _, err := io.ReadFull(r, rec[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("its directory is damaged (%w)", err)
		}
		if !bytes.HasPrefix(rec[:], []byte("PK\x01\x02")) {
			return errors.New("its directory is damaged")
		}
		nameLen, extraLen, commentLen := int(le.Uint16(rec[28:])), int(le.Uint16(rec[30:])), int(le.Uint16(rec[32:]))
		buf = slices.Grow(buf[:0], nameLen+extraLen)[:nameLen+extraLen]
		if _, err := io.ReadFull(r, buf); err != nil {
			return fmt.Errorf("its directory is damaged (%w)", err)
		}
		if n, err := r.Discard(commentLen); n < commentLen {
			return fmt.Errorf("its directory is damaged (%w)", err)
		}
		e := zipEntry{
			name: string(buf[:nameLen]), flags: le.Uint16(rec[8:]), method: le.Uint16(rec[10:]), crc: le.Uint32(rec[16:]),
			packed: int64(le.Uint32(rec[20:])), size: int64(le.Uint32(rec[24:])), offset: int64(le.Uint32(rec[42:])),
		}
		e.mode = modeOf(rec[5], le.Uint32(rec[38:]), e.name)
		if err := zip64(buf[nameLen:], &e.size, &e.packed, &e.offset); err != nil {
			return fmt.Errorf("%q: %w", e.name, err)
		}
		if e.offset += d.base; e.offset < 0 || e.offset > d.start-localLen-int64(nameLen) || e.packed > d.start-localLen-int64(nameLen)-e.offset {
			return fmt.Errorf("%q is outside the file", e.name)
		}
		if err := yield(e); err != nil {
			return err
		}
	}
}

// zip64 takes those of the fields that do not fit into 32 bits from the extra
// field that has them in this order.
func zip64(extra []byte, fields ...*int64) error {
	for len(extra) >= 4 {
		id, n := le.Uint16(extra), int(le.Uint16(extra[2:]))
		if n > len(extra)-4 {
			return nil // other programs' extra fields are not always well-formed
		}
		if body := extra[4 : 4+n]; id == 1 {
			for _, f := range fields {
				if *f != math.MaxUint32 {
					continue
				}
				if len(body) < 8 {
					return errors.New("its ZIP64 field is damaged")
				}
				v := le.Uint64(body)
				if v > math.MaxInt64 {
					return fmt.Errorf("says that it has %d bytes", v)
				}
				*f, body = int64(v), body[8:]
			}
			return nil
		}
		extra = extra[4+n:]
	}
	return nil
}

// modeOf is the kind of an entry: Unix says it in the upper half of the
// attributes, DOS with a bit, and everybody with a slash at the end.
func modeOf(creator byte, attributes uint32, name string) os.FileMode {
	const unix, darwin = 3, 19
	if n := len(name); n > 0 && (name[n-1] == '/' || name[n-1] == '\\') {
		return os.ModeDir
	}
	if creator != unix && creator != darwin {
		if attributes&0x10 != 0 {
			return os.ModeDir
		}
		return 0
	}
	switch attributes >> 16 & 0xf000 {
	case 0, 0x8000:
		return 0
	case 0x4000:
		return os.ModeDir
	case 0xa000:
		return os.ModeSymlink
	}
	return os.ModeIrregular
}

// limit is where an entry has to end: at the next one, or at the directory.
func (d *zipDir) limit(e zipEntry) int64 {
	i, _ := slices.BinarySearch(d.offsets, e.offset+1)
	if i < len(d.offsets) {
		return d.offsets[i]
	}
	return d.start
}
