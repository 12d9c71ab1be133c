package archive

import (
	"bufio"
	"fmt"
)

// dumpHead is what the head says about the bytes that follow.
type dumpHead struct {
	minor, offSize int
	compression    compression
	database       string
	header         Header
}

// openDump reads the head: the versions are there before the table of contents.
func (a *Archive) openDump() error {
	raw, err := a.Raw()
	if err != nil {
		return err
	}
	defer raw.Close()
	h, err := a.dumpHead(&dumpReader{r: bufio.NewReader(raw)})
	a.Header = h.header
	if a.Database == "" {
		a.Database = h.database
	}
	return err
}

// dumpHead reads the head of pg_dump's custom format (pg_backup_archiver.c,
// ReadHead).
func (a *Archive) dumpHead(r *dumpReader) (h dumpHead, err error) {
	for range "PGDMP" {
		r.byte()
	}
	major, minor, _ := r.byte(), r.byte(), r.byte()
	r.intSize = int(r.byte())
	h.minor, h.offSize = int(minor), int(r.byte())
	format := r.byte()
	if r.err != nil {
		return h, a.refuse("is a truncated pg_dump archive")
	}
	if format != 1 {
		return h, a.refuse("is a pg_dump archive of another format than custom (-Fc)")
	}
	if r.intSize < 1 || r.intSize > 8 || h.offSize < 1 || h.offSize > 8 {
		return h, a.refuse("has a damaged head (integers of %d and %d bytes)", r.intSize, h.offSize)
	}
	h.header.ArchiveVersion = fmt.Sprintf("%d.%d", major, minor)
	if minor >= 15 {
		h.compression = compression(r.byte())
	} else if r.int() != 0 { // the level
		h.compression = compressZlib
	}
	for range 7 {
		r.int() // seconds to is-dst of the time
	}
	h.database = r.string()
	h.header.ServerVersion = r.string()
	h.header.DumpVersion = r.string()
	if r.err != nil {
		return h, a.refuse("is a truncated pg_dump archive")
	}
	if h.header.ServerMajor() == 0 {
		return h, a.refuse("does not say which PostgreSQL it was made from")
	}
	return h, nil
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
