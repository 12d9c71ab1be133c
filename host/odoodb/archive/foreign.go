package archive

import (
	"bytes"
	"path/filepath"
	"strings"

	"github.com/odpm/odpm/shared/shell"
)

// foreign are files that a backup is often found in and that are not read here, by
// how they begin. unpack is a command that takes the file's name and leaves the file.
var foreign = []struct{ magic, name, suffix, unpack string }{
	{"\xfd7zXZ\x00", "xz", ".xz", "xz -dk"},
	{"\x28\xb5\x2f\xfd", "zstd", ".zst", "zstd -d"},
	{"BZh", "bzip2", ".bz2", "bzip2 -dk"},
	{"\x04\x22\x4d\x18", "lz4", ".lz4", "lz4 -d"},
	{"7z\xbc\xaf\x27\x1c", "7-Zip", "", "7z x"},
	{"Rar!\x1a\x07", "RAR", "", "unrar x"},
}

// neither is the error of a file that is not read here, given its first bytes.
func (a *Archive) neither(head []byte, packed bool) error {
	if len(head) == 0 {
		return a.refuse("is empty: the backup that made it failed")
	}
	for _, f := range foreign {
		if !packed && bytes.HasPrefix(head, []byte(f.magic)) {
			hint := f.unpack + " " + shell.Quote(a.Path)
			if f.suffix != "" && !strings.HasSuffix(a.Path, f.suffix) { // they go by the name
				hint = f.unpack[:strings.IndexByte(f.unpack, ' ')] + " -dc " + shell.Quote(a.Path) + " > " + shell.Quote(a.Path+".unpacked")
			}
			return a.refuse("is compressed with %s, which odpm does not read; unpack it and name what comes out: %s", f.name, hint)
		}
	}
	if bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")) {
		narrow := bytes.ReplaceAll(head[2:], []byte{0}, nil)
		if bytes.HasPrefix(narrow, []byte("PGDMP")) || bytes.HasPrefix(narrow, []byte("PK")) {
			return a.refuse("was destroyed by PowerShell, whose > makes UTF-16 text of what a program writes; make it again, with pg_dump's own option: pg_dump -Fc -f backup.dump …")
		}
		return a.refuse("is in UTF-16, as PowerShell's > writes what a program says, with other letters than English ones often damaged; make it again with pg_dump -f backup.sql …, or where it has none of them: iconv -f UTF-16 -t UTF-8 %s > %s",
			shell.Quote(a.Path), shell.Quote(strings.TrimSuffix(a.Path, filepath.Ext(a.Path))+".utf8.sql"))
	}
	start := bytes.ToLower(bytes.TrimSpace(head))
	if bytes.HasPrefix(start, []byte("<!doctype")) || bytes.HasPrefix(start, []byte("<html")) {
		return a.refuse("is a web page and not a backup: what it was downloaded from answered with an error (Odoo does for a wrong master password)")
	}
	if bytes.HasPrefix(start, []byte("pg_dump: ")) {
		return a.refuse("begins with what pg_dump said (%q), since its messages were written to the same file; make it again without 2>&1, with pg_dump -f backup.sql …", short(string(firstLine(head))))
	}
	return a.refuse("is neither Odoo's zip nor pg_dump's custom format, and neither SQL nor a tar; it begins with %q", short(string(firstLine(head))))
}

func firstLine(b []byte) []byte {
	b = bytes.TrimLeft(b, "\r\n")
	if i := bytes.IndexAny(b, "\r\n"); i >= 0 {
		b = b[:i]
	}
	return b[:min(len(b), 60)]
}
