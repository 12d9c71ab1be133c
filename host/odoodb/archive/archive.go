// Package archive reads Odoo's backups: the zip with dump.sql, manifest.json
// and filestore/, and pg_dump's custom format. An archive comes from somebody
// else: names, sizes and kinds of everything in it are checked before anything
// is taken out.
package archive

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/klauspost/compress/flate"

	"github.com/odpm/odpm/shared/regular"
	"github.com/odpm/odpm/shared/shell"
)

// Format is how an archive is written.
type Format string

const (
	// Zip is Odoo's zip.
	Zip Format = "zip"
	// Dump is pg_dump -Fc.
	Dump Format = "dump"
)

// Manifest is manifest.json as Odoo writes it; nil for a Dump.
type Manifest struct {
	OdooDump     string            `json:"odoo_dump"`
	DBName       string            `json:"db_name"`
	Version      string            `json:"version"`
	VersionInfo  []any             `json:"version_info"`
	MajorVersion string            `json:"major_version"`
	PGVersion    string            `json:"pg_version"`
	Modules      map[string]string `json:"modules"`
}

// Archive is an open backup.
type Archive struct {
	Path     string
	Format   Format
	Size     int64
	Manifest *Manifest
	// Database is the dumped one's name, if the archive says it.
	Database string
	// Header is pg_dump's, from either format.
	Header Header
	// Files is the file store, names relative to it ("ab/abcdef…").
	Files []File
	// FilesSize is the sum of the files' sizes.
	FilesSize int64
	// DumpSize is dump.sql's uncompressed size, 0 for a Dump.
	DumpSize int64

	f    *os.File
	dump *zip.File
}

// Header is what a dump says about itself.
type Header struct {
	// ServerVersion is the server that was dumped, "15.20 (Debian …)".
	ServerVersion string
	// DumpVersion is the pg_dump that did it.
	DumpVersion string
	// ArchiveVersion is the custom format's own, "1.14"; "" for plain SQL.
	ArchiveVersion string
}

// ServerMajor is ServerVersion's first number, 0 when unknown.
func (h Header) ServerMajor() int { return leading(h.ServerVersion) }

// DumpMajor is DumpVersion's first number, 0 when unknown.
func (h Header) DumpMajor() int { return leading(h.DumpVersion) }

func leading(v string) int {
	i := 0
	for i < len(v) && v[i] >= '0' && v[i] <= '9' {
		i++
	}
	n, _ := strconv.Atoi(v[:i])
	return n
}

// File is one file of the file store.
type File struct {
	Name string
	Size int64
	zf   *zip.File
}

// Error is an archive that is refused.
type Error struct {
	Path string
	Why  string
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Path, e.Why) }

// IsRefused says whether err is an archive that is refused for what it is.
func IsRefused(err error) bool {
	var e *Error
	return errors.As(err, &e)
}

// Open looks at an archive's directory, manifest and header.
func Open(name string) (*Archive, error) {
	f, err := regular.Open(name)
	if err != nil {
		return nil, err
	}
	a := &Archive{Path: name, f: f}
	if err := a.open(); err != nil {
		f.Close()
		return nil, err
	}
	return a, nil
}

// Close closes the file.
func (a *Archive) Close() error { return a.f.Close() }

func (a *Archive) refuse(format string, args ...any) error {
	return &Error{a.Path, fmt.Sprintf(format, args...)}
}

func (a *Archive) open() error {
	st, err := a.f.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return a.refuse("is not a regular file")
	}
	if a.Size = st.Size(); a.Size == 0 {
		return a.refuse("is empty: the backup that made it failed")
	}
	magic := make([]byte, 5)
	n, _ := a.f.ReadAt(magic, 0)
	switch magic = magic[:n]; {
	case bytes.HasPrefix(magic, []byte("PK")):
		a.Format = Zip
		return a.openZip()
	case bytes.Equal(magic, []byte("PGDMP")):
		a.Format = Dump
		return a.openDump()
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return a.refuse("is compressed with gzip; unpack it first: gunzip %s", shell.Quote(a.Path))
	case bytes.HasPrefix(magic, []byte("--")):
		return a.refuse("is plain SQL without a manifest; put it into a zip as dump.sql: cp %s dump.sql && zip backup.zip dump.sql", shell.Quote(a.Path))
	}
	return a.refuse("is neither Odoo's zip nor pg_dump's custom format")
}

// maxManifest is far more than any list of modules needs.
const maxManifest = 8 << 20

func (a *Archive) openZip() error {
	zr, err := zip.NewReader(a.f, a.Size)
	if err != nil {
		return a.refuse("is a damaged or truncated zip (%v)", err)
	}
	zr.RegisterDecompressor(zip.Deflate, func(r io.Reader) io.ReadCloser { return flate.NewReader(r) })
	seen := make(map[string]bool, len(zr.File))
	folders := map[string]bool{}
	var total uint64
	var manifest *zip.File
	for _, zf := range zr.File {
		if err := a.checkEntry(zf); err != nil {
			return err
		}
		if total += zf.UncompressedSize64; bomb(uint64(a.Size), total) {
			// Each entry may look harmless, and entries may share their bytes.
			return a.refuse("has %d bytes that would unpack to more than %d: a zip bomb", a.Size, total)
		}
		if zf.Mode().IsDir() {
			continue
		}
		for dir := path.Dir(zf.Name); dir != "." && !folders[dir]; dir = path.Dir(dir) {
			folders[dir] = true
		}
		if seen[zf.Name] {
			return a.refuse("contains %q twice", zf.Name)
		}
		seen[zf.Name] = true
		switch rel, isFile := strings.CutPrefix(zf.Name, "filestore/"); {
		case zf.Name == "dump.sql":
			a.dump, a.DumpSize = zf, int64(zf.UncompressedSize64)
		case zf.Name == "manifest.json":
			manifest = zf
		case isFile:
			a.Files = append(a.Files, File{Name: rel, Size: int64(zf.UncompressedSize64), zf: zf})
			a.FilesSize += int64(zf.UncompressedSize64)
		}
	}
	for dir := range folders {
		if seen[dir] {
			return a.refuse("contains %q as a file and as a directory", dir)
		}
	}
	if a.dump == nil {
		return a.refuse("has no dump.sql: it is not a backup of an Odoo database")
	}
	if manifest != nil {
		if err := a.readManifest(manifest); err != nil {
			return err
		}
	}
	return a.readPlainHeader()
}

// checkEntry refuses what could leave the directory it is unpacked into, and
// what unpacks to much more than it pretends.
func (a *Archive) checkEntry(zf *zip.File) error {
	name := zf.Name
	clean := strings.TrimSuffix(name, "/")
	switch {
	case strings.ContainsAny(name, "\\\x00"), strings.HasPrefix(name, "/"), clean == "", path.Clean(clean) != clean, clean == "..", strings.HasPrefix(clean, "../"):
		return a.refuse("contains the path %q, which leads out of the directory it would be unpacked into", name)
	case !zf.Mode().IsRegular() && !zf.Mode().IsDir():
		return a.refuse("contains %q, which is a %s: Odoo's backups have files only", name, kindOf(zf))
	case zf.Flags&1 != 0:
		return a.refuse("is encrypted (%q)", name)
	case zf.Method != zip.Store && zf.Method != zip.Deflate:
		return a.refuse("has %q compressed with method %d; Odoo reads stored and deflated files only", name, zf.Method)
	case bomb(zf.CompressedSize64, zf.UncompressedSize64):
		return a.refuse("has %q, %d bytes that would unpack to %d: a zip bomb", name, zf.CompressedSize64, zf.UncompressedSize64)
	}
	return nil
}

func kindOf(zf *zip.File) string {
	if zf.Mode()&os.ModeSymlink != 0 {
		return "symbolic link"
	}
	return "special file"
}

// bomb is generous: real dumps shrink to a tenth, and deflate ends at 1:1032.
func bomb(compressed, size uint64) bool {
	return size > 256<<20 && size/200 > compressed
}

func (a *Archive) readManifest(zf *zip.File) error {
	if zf.UncompressedSize64 > maxManifest {
		return a.refuse("has a manifest.json of %d bytes", zf.UncompressedSize64)
	}
	r, err := a.entry(zf)
	if err != nil {
		return err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return a.refuse("manifest.json: %v", err)
	}
	m := new(Manifest)
	if err := json.Unmarshal(b, m); err != nil {
		return a.refuse("manifest.json: %v", err)
	}
	a.Manifest, a.Database = m, m.DBName
	return nil
}

var (
	fromServer = regexp.MustCompile(`(?m)^-- Dumped from database version ([^\r\n]{1,100})\r?$`)
	byDump     = regexp.MustCompile(`(?m)^-- Dumped by pg_dump version ([^\r\n]{1,100})\r?$`)
)

// readPlainHeader reads what stands in the first lines of dump.sql.
func (a *Archive) readPlainHeader() error {
	r, err := a.entry(a.dump)
	if err != nil {
		return err
	}
	defer r.Close()
	head := make([]byte, 4096)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return a.refuse("dump.sql: %v", err)
	}
	head = head[:n]
	if !bytes.Contains(head, []byte("-- PostgreSQL database dump")) {
		return a.refuse("dump.sql is not what pg_dump writes")
	}
	if m := fromServer.FindSubmatch(head); m != nil {
		a.Header.ServerVersion = string(m[1])
	}
	if m := byDump.FindSubmatch(head); m != nil {
		a.Header.DumpVersion = string(m[1])
	}
	if a.Header.ServerMajor() == 0 {
		return a.refuse("dump.sql does not say which PostgreSQL it was made from")
	}
	return nil
}

// SQL opens dump.sql. A Dump has none: pg_restore makes it from Raw.
func (a *Archive) SQL() (io.ReadCloser, error) {
	if a.dump == nil {
		return nil, a.refuse("has no dump.sql")
	}
	return a.entry(a.dump)
}

// Raw is the archive's bytes from the beginning; readers are independent.
func (a *Archive) Raw() io.Reader { return io.NewSectionReader(a.f, 0, a.Size) }

// OpenFile opens a file of the file store.
func (a *Archive) OpenFile(f File) (io.ReadCloser, error) { return a.entry(f.zf) }

// entry opens an entry and gives no byte more than the directory promised.
func (a *Archive) entry(zf *zip.File) (io.ReadCloser, error) {
	r, err := zf.Open()
	if err != nil {
		return nil, a.refuse("%s: %v", zf.Name, err)
	}
	return &bounded{r: r, left: int64(zf.UncompressedSize64), name: zf.Name, a: a}, nil
}

type bounded struct {
	r    io.ReadCloser
	left int64
	name string
	a    *Archive
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, b.a.refuse("%s is larger than the zip's directory says", b.name)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return n, b.a.refuse("%s is damaged (%v)", b.name, err)
	}
	return n, err
}

func (b *bounded) Close() error { return b.r.Close() }
