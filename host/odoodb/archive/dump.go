package archive

import (
	"bufio"
	"fmt"
	"path"
)

// dumpHead is what the head says about the bytes that follow.
type dumpHead struct {
	minor, offSize int
	format         byte
	compression    compression
	database       string
	header         Header
}

// pg_dump's archive formats (pg_backup.h, ArchiveFormat).
const (
	customFormat    = 1
	tarFormat       = 3
	directoryFormat = 5
)

// openDump reads the head: the versions are there before the table of contents.
func (a *Archive) openDump() error {
	// The definitions in it have bare line feeds.
	if a.src == nil && (a.dump == nil || a.dump.layers == 0) && a.asText() {
		return a.refuse("is damaged; %s", changedLines)
	}
	raw, _, h, err := a.openContents(nil)
	a.Header = h.header
	if a.Database == "" {
		a.Database = h.database
	}
	if err != nil {
		return err
	}
	return raw.Close()
}

// dumpHead reads the head of pg_dump's own formats (pg_backup_archiver.c,
// ReadHead).
func (a *Archive) dumpHead(r *dumpReader) (h dumpHead, err error) {
	for range "PGDMP" {
		r.byte()
	}
	major, minor, _ := r.byte(), r.byte(), r.byte()
	r.intSize = int(r.byte())
	h.minor, h.offSize = int(minor), int(r.byte())
	h.format = r.byte()
	if r.err != nil {
		return h, a.refuse("is a truncated pg_dump archive")
	}
	if inFolder := a.dump != nil && path.Base(a.layout.dump) == contentsFile; inFolder != (h.format == tarFormat || h.format == directoryFormat) || !inFolder && h.format != customFormat {
		return h, a.refuse("is part of a pg_dump archive, or in an unknown format (%d); for a directory (-Fd), name the folder", h.format)
	}
	if r.intSize < 1 || r.intSize > 8 || h.offSize < 1 || h.offSize > 8 {
		return h, a.refuse("has a damaged header (integers of %d and %d bytes)", r.intSize, h.offSize)
	}
	h.header.ArchiveVersion = fmt.Sprintf("%d.%d", major, minor)
	if major != 1 || minor < 12 || minor > 16 {
		return h, a.refuse("is in pg_dump's format %s, which this odpm does not read (1.12 to 1.16); make SQL of it with pg_restore of the PostgreSQL that wrote it: pg_restore --no-owner -f backup.sql", h.header.ArchiveVersion)
	}
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
		return h, a.refuse("does not say which PostgreSQL version it was made from")
	}
	return h, nil
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
