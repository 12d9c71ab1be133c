package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
)

// maxManifest is ten times what two thousand modules need. Read, JSON takes a
// dozen times its size.
const maxManifest = 1 << 20

// few shows the first of n names.
func few(first []string, n int64) string {
	s := ""
	for i, name := range first {
		if i > 0 {
			s += ", "
		}
		s += strconv.Quote(short(name))
	}
	if rest := n - int64(len(first)); rest > 0 {
		s += fmt.Sprintf(" and %d more", rest)
	}
	return s
}

func (a *Archive) readManifest() error {
	if a.manifest == nil {
		return nil
	}
	r, err := a.entry(a.manifest)
	if err != nil {
		return err
	}
	defer r.Close()
	// Odoo never reads it on a restore, so that one that cannot be read is no
	// reason to refuse an archive. It is read to its end anyway, for its
	// checksum.
	b, err := io.ReadAll(io.LimitReader(r, maxManifest))
	if err == nil {
		_, err = io.Copy(io.Discard, r)
	}
	if err != nil {
		return err
	}
	if a.manifest.size > maxManifest {
		a.BadManifest = true
		a.warn("manifest.json is %d bytes, more than the limit of %d, so it is ignored and its list of modules cannot be checked", a.manifest.size, maxManifest)
		return nil
	}
	m, err := parseManifest(b)
	if err != nil {
		a.BadManifest = true
		a.warn("manifest.json is not Odoo's, so it is ignored and its list of modules cannot be checked (%v)", err)
		return nil
	}
	a.Manifest, a.Database = m, m.DBName
	return nil
}

// plainTitle is in the first lines of pg_dump's SQL.
const plainTitle = "-- PostgreSQL database dump"

var (
	fromServer = regexp.MustCompile(`(?m)^-- Dumped from database version ([^\r\n]{1,100})\r?$`)
	byDump     = regexp.MustCompile(`(?m)^-- Dumped by pg_dump version ([^\r\n]{1,100})\r?$`)
)

// readPlainHeader reads the first lines of dump.sql.
func (a *Archive) readPlainHeader() error {
	r, err := a.entry(a.dump)
	if err != nil {
		return err
	}
	defer r.Close()
	head := make([]byte, 4096)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	head = head[:n]
	if bytes.Contains(head, []byte("-- PostgreSQL database cluster dump")) {
		return a.refuse("is the output of pg_dumpall: a whole server with its roles and all of its databases; odpm restores one database NAME, dumped on that server with: pg_dump -Fc -f backup.dump NAME")
	}
	if !bytes.Contains(head, []byte(plainTitle)) {
		what := ""
		if a.src != nil {
			what = a.dump.name
		}
		return a.neither(head, a.dump.layers, what)
	}
	if m := fromServer.FindSubmatch(head); m != nil {
		a.Header.ServerVersion = string(m[1])
	}
	if m := byDump.FindSubmatch(head); m != nil {
		a.Header.DumpVersion = string(m[1])
	}
	if a.Header.ServerMajor() == 0 {
		return a.refuse("dump.sql does not say which PostgreSQL version it was made from")
	}
	return nil
}
