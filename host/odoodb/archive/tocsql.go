package archive

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// pg_dump's own formats become SQL here, as pg_restore -f makes it: pg_restore of
// the server reads no archive that a newer pg_dump wrote, and the images of Odoo
// have a newer one than their database as a rule. So there is one reader for all
// archives, on every server, and verify reads what a restore runs.

// sqlHead is what pg_restore begins with; encoding, strings and search_path are
// entries of the archive.
const sqlHead = `--
-- PostgreSQL database dump
--

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

`

// objectNumbers are entries that have the numbers of up to a thousand large objects.
// They stand behind the tables' data and have to be there before the objects' own.
const objectNumbers = "BLOB METADATA"

const sqlTail = "\n--\n-- PostgreSQL database dump complete\n--\n"

// dumpSQL is a Dump as SQL.
type dumpSQL struct {
	*io.PipeReader
	cancel context.CancelFunc
	ended  chan struct{}
}

func (s *dumpSQL) Close() error {
	s.cancel()
	err := s.PipeReader.Close()
	<-s.ended
	return err
}

func (a *Archive) dumpSQL() io.ReadCloser {
	ctx, cancel := context.WithCancel(context.Background())
	pr, pw := io.Pipe()
	s := &dumpSQL{pr, cancel, make(chan struct{})}
	go func() {
		defer close(s.ended)
		w := &sqlWriter{a: a, ctx: ctx, w: bufio.NewWriterSize(pw, 1<<17)}
		err := w.all()
		if err == nil {
			err = w.w.Flush()
		}
		pw.CloseWithError(err) // nil is the end
	}()
	return s
}

// ReadBytes is how far a Dump has been read, in bytes of the archive; any goroutine
// may ask.
func (a *Archive) ReadBytes() int64 { return a.offset.Load() }

// sqlWriter writes a Dump's SQL.
type sqlWriter struct {
	a   *Archive
	ctx context.Context
	w   *bufio.Writer
	// data has the entries with data.
	data []entry
	kept int
	// objects are the large objects of BLOB METADATA entries, by their number.
	objects map[string][]byte
	// path: the archive sets a search_path of its own.
	path, schema       string
	tablespace, access string
}

func (s *sqlWriter) all() error {
	raw, d, h, err := s.a.openContents(s.a.offset.Store)
	if err != nil {
		return err
	}
	defer raw.Close()
	s.objects = map[string][]byte{}
	fmt.Fprint(s.w, sqlHead)
	err = s.a.contents(d, h, func(e entry, definition []byte) error {
		if e.hasData {
			if s.kept += 256 + len(e.tag) + len(e.desc) + len(e.namespace) + len(e.copy) + len(e.file); s.kept > maxContents {
				return s.a.refuse("has more than %d MiB of tables' names, which is the limit", maxContents>>20)
			}
			s.data = append(s.data, entry{id: e.id, hasData: true, tag: e.tag, desc: e.desc, namespace: e.namespace, copy: e.copy, file: e.file})
			return nil
		}
		if e.desc == objectNumbers || len(s.data) == 0 && e.turn() == mainTurn {
			return s.entry(e, definition)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if h.format == customFormat {
		err = s.a.blocks(d, h, s.data, s.block)
	} else {
		err = s.files()
	}
	if err != nil {
		return err
	}
	for turn := mainTurn; turn <= lastTurn; turn++ {
		if err := s.turn(turn); err != nil {
			return err
		}
	}
	_, err = s.w.WriteString(sqlTail)
	return err
}

// turn writes the entries behind the data, or those of a later turn.
func (s *sqlWriter) turn(turn turn) error {
	raw, d, h, err := s.a.openContents(nil)
	if err != nil {
		return err
	}
	defer raw.Close()
	behind := len(s.data) == 0
	return s.a.contents(d, h, func(e entry, definition []byte) error {
		behind = behind || e.hasData
		// Without data everything of the main turn was written before.
		if e.hasData || e.desc == objectNumbers || e.turn() != turn || turn == mainTurn && (!behind || len(s.data) == 0) {
			return nil
		}
		return s.entry(e, definition)
	})
}

// entry writes a definition, with the settings that it relies on.
func (s *sqlWriter) entry(e entry, definition []byte) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if e.desc == "SEARCHPATH" {
		s.path = "set"
	}
	if !e.runs() || len(definition) == 0 {
		return nil
	}
	switch {
	case e.desc == objectNumbers:
		if s.kept += len(definition); s.kept > maxContents {
			return s.a.refuse("has more than %d MiB of large objects' numbers, which is the limit", maxContents>>20)
		}
		s.objects[fmt.Sprint(e.id)] = definition
		return s.eachObject(definition, "SELECT pg_catalog.lo_create('", "');\n")
	case e.desc == "ACL" && strings.HasPrefix(e.tag, "LARGE OBJECTS") && len(e.needs) > 0:
		return s.objectPrivileges(s.objects[e.needs[0]], definition)
	}
	s.settings(e)
	fmt.Fprintf(s.w, "--\n-- Name: %s; Type: %s; Schema: %s\n--\n\n", oneLine(e.tag), oneLine(e.desc), oneLine(e.namespace))
	_, err := s.w.Write(definition)
	fmt.Fprint(s.w, "\n\n")
	return err
}

// oneLine is for a comment.
func oneLine(v string) string { return strings.NewReplacer("\n", " ", "\r", " ").Replace(v) }

// settings are those that hold for what follows, written where they change.
func (s *sqlWriter) settings(e entry) {
	if s.path == "" && e.namespace != "" && e.namespace != s.schema {
		// pg_dump until 2018 wrote names without their schema.
		s.schema = e.namespace
		fmt.Fprintf(s.w, "SET search_path = %s, pg_catalog;\n", quotedName(e.namespace))
	}
	if relation := e.desc == "TABLE" || e.desc == "MATERIALIZED VIEW" || e.desc == "INDEX" || e.desc == "CONSTRAINT"; !relation {
		return
	}
	if e.tablespace != s.tablespace {
		s.tablespace = e.tablespace
		if s.tablespace == "" {
			fmt.Fprint(s.w, "SET default_tablespace = '';\n")
		} else {
			fmt.Fprintf(s.w, "SET default_tablespace = %s;\n", quotedName(s.tablespace))
		}
	}
	if e.access != "" && e.access != s.access && !e.partitioned {
		s.access = e.access
		fmt.Fprintf(s.w, "SET default_table_access_method = %s;\n", quotedName(s.access))
	}
}

func quotedName(v string) string { return `"` + strings.ReplaceAll(v, `"`, `""`) + `"` }

// block writes one table's data, or one large object (-1 for none).
func (s *sqlWriter) block(e entry, object int, data func(io.Writer) error) error {
	var err error
	if object < 0 {
		s.settings(e)
		fmt.Fprintf(s.w, "--\n-- Data for Name: %s; Type: %s\n--\n\n", oneLine(e.tag), oneLine(e.desc))
		fmt.Fprint(s.w, e.copy)
		err = data(&cancelWriter{s.ctx, s.w})
		fmt.Fprint(s.w, "\n\n")
	} else {
		fmt.Fprintf(s.w, "BEGIN;\nSELECT pg_catalog.lo_open('%d', 131072);\n", object)
		err = data(&cancelWriter{s.ctx, &objectWriter{w: s.w}})
		fmt.Fprint(s.w, "SELECT pg_catalog.lo_close(0);\nCOMMIT;\n\n")
	}
	switch {
	case s.ctx.Err() != nil:
		return s.ctx.Err()
	case errors.Is(err, io.ErrClosedPipe):
		return err
	case err != nil && !IsRefused(err):
		return s.a.refuse("is damaged or truncated in the data of %s %q (%v)", e.desc, e.tag, err)
	}
	return err
}

// objectWriter makes statements of a large object's bytes.
type objectWriter struct{ w io.Writer }

func (o *objectWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		m := min(len(p), 64<<10)
		if _, err := fmt.Fprintf(o.w, "SELECT pg_catalog.lowrite(0, pg_catalog.decode('%s', 'hex'));\n", hex.EncodeToString(p[:m])); err != nil {
			return 0, err
		}
		p = p[m:]
	}
	return n, nil
}

// eachObject writes a statement for each of the numbers of large objects.
func (s *sqlWriter) eachObject(numbers []byte, before, after string) error {
	for number := range bytes.FieldsSeq(numbers) {
		if !allDigits(number) {
			return s.a.refuse("is damaged: %.20q is not the number of a large object", number)
		}
		fmt.Fprintf(s.w, "%s%s%s", before, number, after)
	}
	return nil
}

func allDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}

// objectPrivileges: the statements name the first of the objects and are meant for
// all of them (pg_backup_archiver.c, IssueACLPerBlob).
func (s *sqlWriter) objectPrivileges(numbers, definition []byte) error {
	const words = " ON LARGE OBJECT "
	for stmt := range bytes.SplitAfterSeq(definition, []byte(";\n")) {
		i := bytes.Index(stmt, []byte(words))
		if i < 0 {
			continue
		}
		i += len(words)
		end := i
		for end < len(stmt) && stmt[end] >= '0' && stmt[end] <= '9' {
			end++
		}
		if err := s.eachObject(numbers, string(stmt[:i]), string(stmt[end:])); err != nil {
			return err
		}
	}
	return nil
}

// files writes the data of the directory and tar formats, a file each.
func (s *sqlWriter) files() error {
	for _, e := range s.data {
		if e.desc == "BLOBS" {
			if err := s.objectFiles(e); err != nil {
				return err
			}
			continue
		}
		if err := s.block(e, -1, func(w io.Writer) error { return s.a.part(e.file, w) }); err != nil {
			return err
		}
	}
	return nil
}

// objectFiles writes large objects, which a list of their own names.
func (s *sqlWriter) objectFiles(e entry) error {
	var list bytes.Buffer
	name := e.file
	for _, n := range []string{e.file, fmt.Sprintf("blobs_%d.toc", e.id), "blobs.toc"} {
		if strings.HasSuffix(n, ".toc") && s.a.parts[n].open != nil {
			name = n
			break
		}
	}
	if err := s.a.part(name, &limitedWriter{&list, maxContents}); err != nil {
		return s.a.refuse("is damaged or truncated in its large objects (%v)", err)
	}
	for line := range strings.Lines(list.String()) {
		var object int
		var file string
		if _, err := fmt.Sscanf(line, "%d %s", &object, &file); err != nil || object <= 0 {
			return s.a.refuse("is damaged in its list of large objects: %.40q", line)
		}
		if err := s.block(e, object, func(w io.Writer) error { return s.a.part(file, w) }); err != nil {
			return err
		}
	}
	return nil
}

type limitedWriter struct {
	w    io.Writer
	left int
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, errors.New("too long")
	}
	return l.w.Write(p)
}

type cancelWriter struct {
	ctx context.Context
	w   io.Writer
}

func (c *cancelWriter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}

// counted tells how far a reader was read.
type counted struct {
	io.Reader
	n    int64
	tell func(int64)
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if c.n += int64(n); c.tell != nil {
		c.tell(c.n)
	}
	return n, err
}
