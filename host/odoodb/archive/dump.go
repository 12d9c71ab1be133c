package archive

import (
	"bufio"
	"fmt"
	"io"
)

// openDump reads the head of pg_dump's custom format (pg_backup_archiver.c,
// ReadHead): the versions are there before the table of contents.
func (a *Archive) openDump() error {
	r := &dumpReader{r: bufio.NewReader(io.NewSectionReader(a.f, 5, a.Size-5))}
	major, minor, _ := r.byte(), r.byte(), r.byte()
	r.intSize = int(r.byte())
	r.byte() // offset size
	format := r.byte()
	if r.err != nil {
		return a.refuse("is a truncated pg_dump archive")
	}
	if format != 1 {
		return a.refuse("is a pg_dump archive of another format than custom (-Fc)")
	}
	if r.intSize < 1 || r.intSize > 8 {
		return a.refuse("has a damaged head (integers of %d bytes)", r.intSize)
	}
	a.Header.ArchiveVersion = fmt.Sprintf("%d.%d", major, minor)
	if major > 1 || minor >= 15 {
		r.byte() // the compression algorithm
	} else {
		r.int() // the compression level
	}
	for range 7 {
		r.int() // seconds to is-dst of the time
	}
	r.string() // the database's name
	a.Header.ServerVersion = r.string()
	a.Header.DumpVersion = r.string()
	if r.err != nil {
		return a.refuse("is a truncated pg_dump archive")
	}
	if a.Header.ServerMajor() == 0 {
		return a.refuse("does not say which PostgreSQL it was made from")
	}
	return nil
}

// ReadableBy says whether pg_restore of a major reads the archive's version.
func (h Header) ReadableBy(major int) bool {
	switch h.ArchiveVersion {
	case "", "1.12", "1.13", "1.14":
		return true
	case "1.15":
		return major >= 16
	}
	return major >= 17
}

type dumpReader struct {
	r       *bufio.Reader
	intSize int
	err     error
}

func (d *dumpReader) byte() byte {
	if d.err != nil {
		return 0
	}
	b, err := d.r.ReadByte()
	d.err = err
	return b
}

// int is a sign byte and intSize bytes, the lowest first.
func (d *dumpReader) int() int {
	sign, n := d.byte(), 0
	for i := range d.intSize {
		n |= int(d.byte()) << (8 * i)
	}
	if sign != 0 {
		return -n
	}
	return n
}

func (d *dumpReader) string() string {
	n := d.int()
	if n < 0 || d.err != nil {
		return ""
	}
	if n > 4096 {
		d.err = io.ErrUnexpectedEOF
		return ""
	}
	b := make([]byte, n)
	_, d.err = io.ReadFull(d.r, b)
	return string(b)
}
