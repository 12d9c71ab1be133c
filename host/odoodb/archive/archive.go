// Package archive reads Odoo's backups: the zip with dump.sql, manifest.json
// and filestore/, and pg_dump's custom format. An archive comes from somebody
// else: names, sizes and kinds of everything in it are checked before anything
// is taken out.
package archive

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/odpm/odpm/shared/regular"
	"github.com/odpm/odpm/shared/shell"
)

// Format is how an archive is written.
type Format string

const (
	// Zip is Odoo's zip.
	Zip Format = "zip"
	// Dump is one of pg_dump's own formats: -Fc, -Fd or -Ft.
	Dump Format = "dump"
	// Plain is pg_dump's SQL without anything else.
	Plain Format = "sql"
	// Tar and Folder are what is in Odoo's zip, packed or not packed otherwise.
	Tar    Format = "tar"
	Folder Format = "folder"
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
	// Files is how many the file store has, FilesSize the sum of their sizes.
	Files, FilesSize int64
	// OtherFiles is how many members are not restored, Others the first names.
	OtherFiles int64
	Others     []string
	// PackedStore is a file store that was packed before the archive was, "" for
	// none. It is not read.
	PackedStore string
	// BadManifest: there is a manifest.json that is not used; Warnings say why.
	BadManifest bool
	// Warnings are sentences for a person.
	Warnings []string
	// DumpSize is dump.sql's uncompressed size, 0 for a Dump.
	DumpSize int64

	f              *os.File
	root           *os.Root
	src            source
	layout         layout
	dump, manifest *member
	names          *NameSet // of the file store
	// parts are the files of a Dump in a folder or tar, by their names.
	parts     map[string]member
	partsSize int64
	// offset is how far a Dump has been read.
	offset atomic.Int64
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
	a := &Archive{Path: name}
	if err := a.openPath(); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// From is Open of a file that is open already; it is closed with the archive, or
// here after an error.
func From(f *os.File) (*Archive, error) {
	a := &Archive{Path: f.Name(), f: f}
	if err := a.open(); err != nil {
		f.Close()
		return nil, err
	}
	return a, nil
}

func (a *Archive) openPath() error {
	if st, err := os.Stat(a.Path); err == nil && st.IsDir() {
		root, err := os.OpenRoot(a.Path)
		if err != nil {
			return err
		}
		a.root, a.Format, a.src = root, Folder, folderSource{root}
		return a.openBackup()
	}
	f, err := regular.Open(a.Path)
	if err != nil {
		return err
	}
	a.f = f
	return a.open()
}

// Close closes the file or folder.
func (a *Archive) Close() error {
	switch {
	case a.root != nil:
		return a.root.Close()
	case a.f != nil:
		return a.f.Close()
	}
	return nil
}

func (a *Archive) refuse(format string, args ...any) error {
	return &Error{a.Path, fmt.Sprintf(format, args...)}
}

// damaged makes what is wrong with a member a refusal.
func (a *Archive) damaged(err error) error {
	if IsRefused(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	switch {
	case !isCut(err) && a.asText():
		return a.refuse("%v; %s", err, changedLines)
	case !isCut(err):
		return a.refuse("%v", err)
	case strings.HasPrefix(err.Error(), "is damaged"):
		return a.refuse("%v; %s", err, a.copyAgain())
	}
	return a.refuse("is damaged or truncated (%v); %s%s", err, a.copyAgain(), a.ifPart())
}

// copyAgain is the next step for an archive that is not what was written.
func (a *Archive) copyAgain() string {
	if a.Format == Folder {
		return "copy it again from where it was made"
	}
	if a.asText() {
		return changedLines
	}
	return "copy it again from where it was made, and compare: sha256sum " + shell.Quote(a.Path)
}

func (a *Archive) warn(format string, args ...any) {
	a.Warnings = append(a.Warnings, fmt.Sprintf(format, args...))
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
	case bytes.Equal(magic, []byte(dumpMagic)):
		a.Format = Dump
		return a.openDump()
	}
	return a.openOther()
}

// openOther looks at what is neither a zip nor a dump: a tar, SQL, and all of
// them compressed with gzip.
func (a *Archive) openOther() error {
	whole := &member{name: filepath.Base(a.Path), size: a.Size, open: func() (io.ReadCloser, error) { return io.NopCloser(io.NewSectionReader(a.f, 0, a.Size)), nil }}
	layers, head, err := layersOf(whole.open)
	if err != nil {
		return a.damaged(err)
	}
	whole.layers = layers
	switch {
	case len(head) == headSize && bytes.Equal(head[257:262], []byte("ustar")):
		a.Format, a.src = Tar, tarSource{a.f, a.Size, layers}
		return a.openBackup()
	case bytes.HasPrefix(head, []byte(dumpMagic)):
		a.Format, a.dump = Dump, whole
		return a.openDump()
	case isScript(head):
		a.Format, a.dump = Plain, whole
		if layers == 0 {
			a.DumpSize = a.Size
		}
		return a.readPlainHeader()
	}
	// A zip is read from its end, and something may stand in front of it: the program that
	// unpacks it, or what the script said that wrote it to its standard output.
	if layers == 0 {
		_, err := openZipDir(a.f, a.Size)
		if segments := errors.Is(err, errSegmented) || segmentName.MatchString(a.Path); err == nil || segments {
			a.Format = Zip
			return a.openZip()
		}
	}
	return a.neither(head, layers, "")
}

// dumpMagic begins pg_dump's own formats.
const dumpMagic = "PGDMP"

// isScript is what pg_dump's SQL begins with, also where somebody has put lines of his
// own in front of it.
func isScript(head []byte) bool {
	return bytes.HasPrefix(bytes.TrimPrefix(head, []byte(byteOrderMark)), []byte("--")) || bytes.Contains(head, []byte(plainTitle)) && !saidByDump(head)
}

func (a *Archive) openZip() error {
	dir, err := openZipDir(a.f, a.Size)
	switch {
	case errors.Is(err, errSegmented), err != nil && segmentName.MatchString(a.Path):
		return a.segmented()
	case err != nil:
		return a.refuse("is a damaged or truncated zip: %v; %s%s", err, a.copyAgain(), a.ifPart())
	}
	err = dir.each(func(e zipEntry) error {
		switch err := dir.check(e); {
		case err != nil && e.foreign():
			return a.refuse("%v; unpack it, and name the folder: 7z x %s %s", err, shell.Quote("-o"+strings.TrimSuffix(a.Path, ".zip")+"-unpacked"), shell.Quote(a.Path))
		case err != nil:
			return a.refuse("%v", err)
		}
		return nil
	})
	if err != nil {
		return a.damaged(err)
	}
	a.src = zipSource{dir}
	return a.openBackup()
}

// openBackup looks at an archive of several members.
func (a *Archive) openBackup() error {
	if err := a.detect(); err != nil {
		return err
	}
	if err := a.survey(); err != nil {
		return err
	}
	if a.dump == nil {
		return a.refuse("has no dump.sql: it is not a backup of an Odoo database")
	}
	if a.OtherFiles > 0 {
		a.warn("%d files in the archive are not part of an Odoo backup and are not restored: %s", a.OtherFiles, few(a.Others, a.OtherFiles))
	}
	if err := a.readManifest(); err != nil {
		return err
	}
	// What the dump is, its content says: pg_dump -Fc is often called dump.sql, and a
	// dump.sql is often compressed.
	layers, head, err := layersOf(a.dump.open)
	if err != nil {
		return a.damaged(err)
	}
	if a.dump.layers = layers; layers == 0 {
		a.DumpSize = a.dump.size
	}
	if contents := path.Base(a.layout.dump) == contentsFile; contents || bytes.HasPrefix(head, []byte(dumpMagic)) {
		a.Format, a.DumpSize = Dump, 0
		if contents && a.Size == 0 {
			a.Size = a.partsSize // a folder
		}
		return a.openDump()
	}
	return a.readPlainHeader()
}

// SQL opens dump.sql, or a Dump as SQL.
func (a *Archive) SQL() (io.ReadCloser, error) {
	if a.Format == Dump {
		return a.dumpSQL(), nil
	}
	if a.dump == nil {
		return nil, a.refuse("has no dump.sql")
	}
	whole := *a.dump
	if whole.wide != nil {
		whole.open = whole.wide
	}
	r, err := a.entry(&whole)
	if err != nil {
		return nil, err
	}
	// A script may begin with a byte order mark; editors write one, and psql skips it.
	b := bufio.NewReaderSize(r, 1<<16)
	if mark, _ := b.Peek(len(byteOrderMark)); string(mark) == byteOrderMark {
		_, _ = b.Discard(len(byteOrderMark))
	}
	return struct {
		io.Reader
		io.Closer
	}{b, r}, nil
}

const byteOrderMark = "\xef\xbb\xbf"

// raw is a Dump's bytes from the beginning, or its toc.dat; readers are independent.
func (a *Archive) raw() (io.ReadCloser, error) {
	if a.dump != nil {
		return a.entry(a.dump)
	}
	return io.NopCloser(io.NewSectionReader(a.f, 0, a.Size)), nil
}

// Has says whether the file store has a file of that name; place is one below
// Files that no other file has, size the file's modulo 4 GiB.
func (a *Archive) Has(name string) (place int, size uint32, found bool) {
	if a.names == nil {
		return 0, 0, false
	}
	return a.names.Find(name)
}

// entry opens a member; what is wrong with it is a refusal.
func (a *Archive) entry(m *member) (io.ReadCloser, error) {
	r, err := m.open()
	if err != nil {
		return nil, a.damaged(err)
	}
	if r, err = gunzipped(r, m.layers); err != nil {
		return nil, a.refuse("contains a damaged file, %q (%v)", m.name, err)
	}
	return &checkedReader{r, a}, nil
}
