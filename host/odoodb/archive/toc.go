package archive

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Entry is a line of the custom format's table of contents.
type Entry struct {
	ID int
	// HasData: the archive has, or should have, a data block for it.
	HasData bool
	// Tag, Desc and Namespace are pg_dump's: "ir_attachment", "TABLE DATA", "public".
	Tag, Desc, Namespace string
	// Copy is the COPY statement of TABLE DATA.
	Copy string
}

// compression is pg_dump's PG_COMPRESSION_*.
type compression int

const (
	compressNone compression = iota
	compressZlib
	compressLZ4
	compressZstd
)

// What the table of contents says of lengths is believed up to here. Its
// definitions pass through; names, and the COPY statements of tables, are kept.
const (
	maxText = 1 << 20
	// maxContents is for all that is kept: tens of thousands of tables.
	maxContents = 48 << 20
	// maxWindow is what zstd up to its level 20 looks back.
	maxWindow = 32 << 20
)

// ReadDump reads a whole Dump: its table of contents, whose definitions in SQL it
// gives to definition (nil for nobody) as far as a restore runs them, and every data
// block, which it decompresses into the writer that data gives for the entry (nil for
// nowhere). read is told how far it has got. It says no word about what stands
// in the data. unread counts blocks of a compression that is not known here:
// their frame was read and their content not.
func (a *Archive) ReadDump(definition func(Entry, io.Reader) error, data func(Entry) io.Writer, read func(offset int64)) (unread int, err error) {
	if a.Format != Dump {
		return 0, errors.New("archive: ReadDump is for pg_dump's custom format")
	}
	raw, err := a.Raw()
	if err != nil {
		return 0, err
	}
	defer raw.Close()
	d := &dumpReader{r: bufio.NewReaderSize(&offsetReader{r: raw, read: read}, 1<<18)}
	h, err := a.dumpHead(d)
	if err != nil {
		return 0, err
	}
	if v := h.header.ArchiveVersion; h.minor < 12 || h.minor > 16 || v[:2] != "1." {
		return 0, a.refuse("is in pg_dump's format %s, which this odpm cannot verify (1.12 to 1.16); pg_restore of PostgreSQL %d reads it", v, h.header.DumpMajor())
	}
	entries, err := a.entries(d, h, definition)
	if err != nil {
		return 0, err
	}
	if d.err != nil {
		return 0, a.refuse("is truncated or damaged in its table of contents (%v)", d.err)
	}
	byID := make(map[int]*Entry, len(entries))
	for i := range entries {
		byID[entries[i].ID] = &entries[i]
	}
	for {
		kind, err := d.r.ReadByte()
		if errors.Is(err, io.EOF) {
			break
		}
		id := d.int()
		if err = errors.Join(err, d.err); err != nil {
			return unread, a.refuse("is cut off (%v)", err)
		}
		e := byID[id]
		if e == nil || !e.HasData || kind != 1 && kind != 3 {
			return unread, a.refuse("has a data block that is not in its table of contents, or twice (type %d, number %d)", kind, id)
		}
		e.HasData = false
		n, err := a.dataBlock(d, h, kind == 3, *e, data)
		if unread += n; err != nil {
			return unread, err
		}
	}
	for _, e := range entries {
		if e.HasData {
			return unread, a.refuse("is cut off: the data of %s %q are missing", e.Desc, e.Tag)
		}
	}
	return unread, nil
}

// entries reads the table of contents (pg_backup_archiver.c, ReadToc).
func (a *Archive) entries(d *dumpReader, h dumpHead, definition func(Entry, io.Reader) error) ([]Entry, error) {
	n, kept := d.int(), 0
	var all []Entry
	for i := 0; i < n && d.err == nil; i++ {
		e := Entry{ID: d.int()}
		d.int()  // had a dumper
		d.skip() // table oid
		d.skip() // oid
		e.Tag, e.Desc = d.string(), d.string()
		d.int() // section
		if err := d.definition(e, definition); err != nil {
			return nil, err
		}
		d.skip() // drop statement
		e.Copy = d.string()
		e.Namespace = d.string()
		d.skip() // table space
		if h.minor >= 14 {
			d.skip() // table access method
		}
		if h.minor >= 16 {
			d.int() // relkind
		}
		d.skip() // owner
		d.skip() // with oids
		for d.skip() && d.err == nil {
			continue // dependencies; NULL is their end
		}
		const noData = 3
		e.HasData = d.byte() != noData
		for range h.offSize {
			d.byte()
		}
		if kept += 128 + len(e.Tag) + len(e.Desc) + len(e.Namespace) + len(e.Copy); kept > maxContents {
			d.err = fmt.Errorf("more than %d MiB of names, which is the limit", maxContents>>20)
		}
		all = append(all, e)
	}
	return all, nil
}

// dataBlock reads the chunks after a block's head; large objects are several,
// each behind its oid.
func (a *Archive) dataBlock(d *dumpReader, h dumpHead, blobs bool, e Entry, data func(Entry) io.Writer) (unread int, err error) {
	for {
		if blobs {
			oid := d.int()
			if d.err != nil {
				return unread, a.refuse("is cut off in its large objects")
			}
			if oid == 0 {
				return unread, nil
			}
		}
		w := io.Discard
		if data != nil && !blobs {
			if to := data(e); to != nil {
				w = to
			}
		}
		chunks := &chunkReader{d: d}
		known, err := inflate(w, chunks, h.compression)
		if err == nil && d.err == nil {
			_, err = io.Copy(io.Discard, chunks)
		}
		if err = errors.Join(err, d.err); err != nil {
			return unread, a.refuse("is cut off or damaged in the data of %s %q (%v)", e.Desc, e.Tag, err)
		}
		if !known {
			unread++
		}
		if !blobs {
			return unread, nil
		}
	}
}

func inflate(w io.Writer, chunks io.Reader, c compression) (known bool, err error) {
	switch c {
	case compressNone:
		_, err = io.Copy(w, chunks)
		return true, err
	case compressZlib:
		r := bufio.NewReader(chunks)
		if _, err := r.Peek(1); errors.Is(err, io.EOF) {
			return true, nil // nothing was written, not even a head
		}
		z, err := zlib.NewReader(r)
		if err != nil {
			return true, err
		}
		_, err = io.Copy(w, z)
		return true, err
	case compressZstd:
		z, err := zstd.NewReader(chunks, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return true, err
		}
		defer z.Close()
		if _, err = io.Copy(w, z); !errors.Is(err, zstd.ErrWindowSizeExceeded) {
			return true, err
		}
	}
	_, err = io.Copy(io.Discard, chunks)
	return false, err
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

// offsetReader tells how far it was read.
type offsetReader struct {
	r    io.Reader
	n    int64
	read func(int64)
}

func (o *offsetReader) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	if o.n += int64(n); o.read != nil {
		o.read(o.n)
	}
	return n, err
}

// string is a string that is kept; NULL is "".
func (d *dumpReader) string() string {
	n := d.int()
	if n < 0 || d.err != nil {
		return ""
	}
	if n > maxText {
		d.err = fmt.Errorf("a name of %d bytes", n)
		return ""
	}
	var b bytes.Buffer // grows with what is there, not with what is promised
	_, err := io.CopyN(&b, d.r, int64(n))
	d.cut(err)
	return b.String()
}

// definition passes an entry's SQL on.
func (d *dumpReader) definition(e Entry, to func(Entry, io.Reader) error) error {
	n := d.int()
	if n <= 0 || d.err != nil {
		return nil
	}
	r := &io.LimitedReader{R: d.r, N: int64(n)}
	if to != nil && e.runs() {
		if err := to(e, r); err != nil {
			return err
		}
	}
	_, err := io.Copy(io.Discard, r)
	if err == nil && r.N > 0 {
		err = io.ErrUnexpectedEOF
	}
	d.cut(err)
	return nil
}

// runs says whether pg_restore without --create runs an entry's definition
// (pg_backup_archiver.c, _tocEntryRequired), and whether it is SQL.
func (e Entry) runs() bool {
	return e.Desc != "DATABASE" && e.Desc != "DATABASE PROPERTIES" && e.Desc != "BLOB METADATA" && !strings.HasPrefix(e.Tag, "DATABASE ")
}

// skip passes a string; false for NULL.
func (d *dumpReader) skip() bool {
	n := d.int()
	if n > 0 && d.err == nil {
		_, err := io.CopyN(io.Discard, d.r, int64(n))
		d.cut(err)
	}
	return n >= 0
}

func (d *dumpReader) cut(err error) {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	d.err = err
}
