package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// entry is a line of pg_dump's table of contents.
type entry struct {
	id int
	// hasData: the archive has, or should have, data for it.
	hasData bool
	// tag, desc and namespace are pg_dump's: "ir_attachment", "TABLE DATA", "public".
	tag, desc, namespace string
	// copy is the COPY statement of TABLE DATA.
	copy string
	// tablespace and access are what the definition leaves to settings, "" for
	// nothing that matters; partitioned tables have no rows and no access method.
	tablespace, access string
	partitioned        bool
	// needs are the numbers of the entries that this one depends on.
	needs []string
	// file has the data, in the directory and tar formats.
	file string
}

// What the table of contents says of lengths is believed up to here.
const (
	maxText = 1 << 20
	// maxDefinition is what a statement may have (sqldump.MaxStatement).
	maxDefinition = 16 << 20
	// maxContents is for the entries with data, which are kept: tens of thousands
	// of tables.
	maxContents = 48 << 20
	// maxNeeds is for the dependencies of one entry.
	maxNeeds = 1 << 16
)

// contents reads the table of contents (pg_backup_archiver.c, ReadToc) and gives
// each entry with its definition to fn.
func (a *Archive) contents(d *dumpReader, h dumpHead, fn func(entry, []byte) error) error {
	n := d.int()
	for i := 0; i < n && d.err == nil; i++ {
		e := entry{id: d.int()}
		d.int()  // had a dumper
		d.skip() // table oid
		d.skip() // oid
		e.tag, e.desc = d.string(), d.string()
		d.int() // section
		definition := d.text(maxDefinition)
		d.skip() // drop statement
		e.copy = d.string()
		e.namespace = d.string()
		e.tablespace = d.string()
		if h.minor >= 14 {
			e.access = d.string()
		}
		if h.minor >= 16 {
			e.partitioned = d.int() == 'p'
		}
		d.skip() // owner
		d.skip() // with oids
		for d.err == nil {
			on, more := d.maybe()
			if !more {
				break // NULL is their end
			}
			if e.needs = append(e.needs, on); len(e.needs) > maxNeeds {
				d.err = fmt.Errorf("more than %d dependencies", maxNeeds)
			}
		}
		if h.format == customFormat {
			const noData = 3
			e.hasData = d.byte() != noData
			for range h.offSize {
				d.byte()
			}
		} else {
			e.file = d.string()
			e.hasData = e.file != ""
		}
		if d.err != nil {
			break
		}
		if err := fn(e, definition); err != nil {
			return err
		}
	}
	if d.err != nil {
		return a.refuse("is damaged or truncated in its table of contents (%v)", d.err)
	}
	return nil
}

// runs says whether pg_restore without --create runs an entry
// (pg_backup_archiver.c, _tocEntryRequired).
func (e entry) runs() bool {
	return e.desc != "DATABASE" && e.desc != "DATABASE PROPERTIES" && e.desc != "SUBSCRIPTION TABLE" && !strings.HasPrefix(e.tag, "DATABASE ")
}

// turn is when an entry is run (pg_backup_archiver.c, _tocEntryRestorePass).
type turn int

const (
	mainTurn turn = iota
	privilegesTurn
	lastTurn
)

func (e entry) turn() turn {
	switch {
	case e.desc == "ACL", e.desc == "ACL LANGUAGE", e.desc == "DEFAULT ACL":
		return privilegesTurn
	case e.desc == "EVENT TRIGGER", e.desc == "MATERIALIZED VIEW DATA", e.desc == "REFRESH MATERIALIZED VIEW",
		e.desc == "COMMENT" && strings.HasPrefix(e.tag, "EVENT TRIGGER "):
		return lastTurn
	}
	return mainTurn
}

// string is a string that is kept; NULL is "".
func (d *dumpReader) string() string { return string(d.text(maxText)) }

// maybe is a string, or false for NULL.
func (d *dumpReader) maybe() (string, bool) {
	n := d.int()
	if n < 0 || d.err != nil {
		return "", false
	}
	return string(d.bytes(n, maxText)), d.err == nil
}

func (d *dumpReader) text(limit int) []byte {
	n := d.int()
	if n < 0 || d.err != nil {
		return nil
	}
	return d.bytes(n, limit)
}

func (d *dumpReader) bytes(n, limit int) []byte {
	if n > limit {
		d.err = fmt.Errorf("a text of %d bytes, and the limit is %d", n, limit)
		return nil
	}
	var b bytes.Buffer // grows with what is there, not with what is promised
	_, err := io.CopyN(&b, d.r, int64(n))
	d.cut(err)
	return b.Bytes()
}

// skip passes a string.
func (d *dumpReader) skip() {
	if n := d.int(); n > 0 && d.err == nil {
		_, err := io.CopyN(io.Discard, d.r, int64(n))
		d.cut(err)
	}
}

func (d *dumpReader) cut(err error) {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	d.err = err
}
