package archive

import (
	"bufio"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// pg_dump's directory format (-Fd) is a folder with toc.dat and a file for each
// table; its tar format (-Ft) is the same in a tar, with restore.sql beside it.

const contentsFile = "toc.dat"

// partName is a file of theirs.
var partName = regexp.MustCompile(`^(toc\.dat|restore\.sql|(\d{1,10}|blob_\d{1,10})\.dat(\.gz|\.lz4|\.zst)?|blobs(_\d{1,10})?\.toc)$`)

// maxParts bounds what is kept of them: a file for each table and large object.
const maxParts = 1 << 18

// ends are how a part's file may be called further, and what that says of it.
var ends = []struct {
	end string
	c   compression
}{{"", compressNone}, {".gz", compressGzip}, {".lz4", compressLZ4}, {".zst", compressZstd}}

// part copies a file of the dump to w, decompressed.
func (a *Archive) part(name string, w io.Writer) error {
	for _, e := range ends {
		m, found := a.parts[name+e.end]
		if !found {
			continue
		}
		r, err := a.entry(&m)
		if err != nil {
			return err
		}
		defer r.Close()
		before := a.offset.Load()
		return inflate(w, &counted{Reader: r, tell: func(n int64) { a.offset.Store(before + n) }}, e.c)
	}
	return fmt.Errorf("the file %q is missing", short(name))
}

// addPart keeps a file of the dump.
func (a *Archive) addPart(name string, m member) error {
	if a.parts == nil {
		a.parts = map[string]member{}
	}
	if len(a.parts) >= maxParts {
		return a.refuse("has more than %d files of a dump, which is the limit; make SQL of it: pg_restore --no-owner -f backup.sql", maxParts)
	}
	a.parts[path.Base(name)] = m
	a.partsSize += m.size
	return nil
}

// DumpTotal is how far the dump can be read: as SQL, or, of a Dump, by ReadBytes; 0 where
// nobody knows, since it is compressed as a whole.
func (a *Archive) DumpTotal() int64 {
	switch {
	case a.Format != Dump:
		return a.DumpSize
	case a.partsSize > 0:
		return a.partsSize
	case a.dump == nil:
		return a.Size
	case a.dump.layers > 0:
		return 0
	}
	return a.dump.size
}

// DumpAtLeast is the least that the dump's text may have: where that is not known, the
// bytes that the archive has it in, without those of the file store.
func (a *Archive) DumpAtLeast() int64 {
	switch {
	case a.DumpSize > 0:
		return a.DumpSize
	case a.partsSize > 0:
		return a.partsSize
	case a.dump != nil:
		return a.dump.size
	}
	return a.Size
}

// isPart says whether a member belongs to the dump in a folder.
func (l layout) isPart(name string) bool {
	dir, base := path.Split(name)
	return path.Base(l.dump) == contentsFile && dir == strings.TrimSuffix(l.dump, contentsFile) && partName.MatchString(base)
}

// gunzipTo decompresses to the end of the last member.
func gunzipTo(w io.Writer, r *bufio.Reader) error {
	z, err := gzip.NewReader(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, z)
	return err
}

// openContents opens a Dump behind its head.
func (a *Archive) openContents(tell func(int64)) (raw io.Closer, d *dumpReader, h dumpHead, err error) {
	r, err := a.raw()
	if err != nil {
		return nil, nil, h, err
	}
	d = &dumpReader{r: bufio.NewReaderSize(&counted{Reader: r, tell: tell}, 1<<18)}
	if h, err = a.dumpHead(d); err != nil {
		r.Close()
		return nil, nil, h, err
	}
	return r, d, h, nil
}
