package archive

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/odpm/odpm/shared/shell"
)

// foreign are files that a backup is often found in and that are not read here, by
// how they begin. unpack is a command that takes the file's name and leaves the file;
// of a file with another suffix, one that goes by it is given the file as its input.
var foreign = []struct{ magic, name, suffix, unpack string }{
	{"\xfd7zXZ\x00", "compressed with xz", ".xz", "xz -dk"},
	{"\x28\xb5\x2f\xfd", "compressed with zstd", ".zst", "zstd -d"},
	{"BZh", "compressed with bzip2", ".bz2", "bzip2 -dk"},
	{"\x04\x22\x4d\x18", "compressed with lz4", ".lz4", "lz4 -d"},
	{"\x1f\x8b\x08", fmt.Sprintf("compressed with gzip more than %d times", maxLayers), ".gz", "gzip -dk"},
	{"7z\xbc\xaf\x27\x1c", "compressed with 7-Zip", "", "7z x"},
	{"Rar!\x1a\x07", "compressed with RAR", "", "unrar x"},
	{"PK\x03\x04", "a zip inside another archive", "", "unzip"},
	{"\x85\x01", gnupg, "", "gpg -d"},
	{"\x85\x02", gnupg, "", "gpg -d"},
	{"\x85\x04", gnupg, "", "gpg -d"},
	{"\x84\x5e", gnupg, "", "gpg -d"},
	{"\x8c\x0d\x04", gnupg, "", "gpg -d"},
	{"-----BEGIN PGP MESSAGE", gnupg, "", "gpg -d"},
	{"age-encryption.org/", "encrypted with age", "", "age -d"},
	{"-----BEGIN AGE ENCRYPTED FILE", "encrypted with age", "", "age -d"},
	{"UEsDB", base64, "", "base64 -d"},    // PK
	{"H4sI", base64, "", "base64 -d"},     // gzip
	{"UEdETVAB", base64, "", "base64 -d"}, // PGDMP
}

const (
	gnupg  = "encrypted with GnuPG"
	base64 = "written as base64"
)

// others are no backups of PostgreSQL's, by how they begin.
var others = []struct{ magic, says string }{
	{"<!doctype", "is a web page, not a backup: the server that it was downloaded from answered with an error (as Odoo does when the master password is wrong)"},
	{"<html", "is a web page, not a backup: the server that it was downloaded from answered with an error (as Odoo does when the master password is wrong)"},
	{"-- mysql dump", "is a MySQL dump, and Odoo uses PostgreSQL"},
	{"-- mariadb dump", "is a MariaDB dump, and Odoo uses PostgreSQL"},
	{"/*m!999999", "is a MariaDB dump, and Odoo uses PostgreSQL"},
	{"sqlite format 3", "is an SQLite database, and Odoo uses PostgreSQL"},
	{"salted__", "is encrypted with openssl enc; decrypt it with the same cipher (openssl enc -d -CIPHER …), and name the result"},
}

// saidByDump: messages of pg_dump's went to the file.
func saidByDump(head []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(head), []byte("pg_dump: ")) }

// neither is the error of a file that is not read here, given the first bytes behind so
// many layers of gzip; member is its name in an archive, "" for the whole file.
func (a *Archive) neither(head []byte, layers int, member string) error {
	it := ""
	if member != "" {
		it = fmt.Sprintf("has %q, which ", short(member))
	}
	if len(head) == 0 {
		return a.refuse("%sis empty: the backup that made it failed", it)
	}
	for _, f := range foreign {
		if bytes.HasPrefix(head, []byte(f.magic)) {
			return a.refuse("%sis %s, which odpm does not read; %s", it, f.name, a.unpacking(f.suffix, f.unpack, layers, member))
		}
	}
	if bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")) {
		narrow := bytes.ReplaceAll(head[2:], []byte{0}, nil)
		if bytes.HasPrefix(narrow, []byte(dumpMagic)) || bytes.HasPrefix(narrow, []byte("PK")) {
			return a.refuse("%swas damaged by PowerShell, whose > turns a program's output into UTF-16 text; make it again with pg_dump's own option: pg_dump -Fc -f backup.dump …", it)
		}
		return a.refuse("%sis in UTF-16, as PowerShell's > writes it, which often damages letters outside ASCII; make it again with pg_dump -f backup.sql …, or if it is all ASCII: iconv -f UTF-16 -t UTF-8 %s > %s",
			it, shell.Quote(a.Path), shell.Quote(strings.TrimSuffix(a.Path, filepath.Ext(a.Path))+".utf8.sql"))
	}
	start := bytes.ToLower(bytes.TrimSpace(head))
	for _, o := range others {
		if bytes.HasPrefix(start, []byte(o.magic)) {
			return a.refuse("%s%s", it, o.says)
		}
	}
	if saidByDump(head) {
		return a.refuse("%sbegins with a message from pg_dump (%q), because its messages went to the same file; make it again without 2>&1, with pg_dump -f backup.sql …", it, short(string(firstLine(head))))
	}
	if member != "" {
		return a.refuse("%swas not written by pg_dump; it begins with %q", it, short(string(firstLine(head))))
	}
	begins := ""
	if first := string(firstLine(head)); utf8.ValidString(first) && !strings.ContainsFunc(first, unicode.IsControl) {
		begins = fmt.Sprintf("; it begins with %q", short(first))
	}
	return a.refuse("is not an Odoo zip, a pg_dump archive, SQL or a tar%s%s", begins, a.ifPart())
}

// unpacking is the next command, and what to name after it.
func (a *Archive) unpacking(suffix, unpack string, layers int, member string) string {
	to := shell.Quote(a.Path + ".unpacked")
	program, _, _ := strings.Cut(unpack, " ")
	switch {
	case member != "" && a.Format == Folder:
		return "unpack that file, and name the folder again"
	case member != "":
		return "unpack the archive into a folder, then unpack that file in it, and name the folder: " + a.unpackAll()
	case layers > 0:
		return "remove the outer gzip, and name the result: " + "gzip -dc " + shell.Quote(a.Path) + strings.Repeat(" | gzip -dc", layers-1) + " > " + to
	case suffix != "" && !strings.HasSuffix(a.Path, suffix):
		return "unpack it and name the result: " + program + " -dc " + shell.Quote(a.Path) + " > " + to
	case unpack == program+" -d" && suffix == "":
		return "decode it and name the result: " + unpack + " " + shell.Quote(a.Path) + " > " + shell.Quote(a.Path+".decoded")
	}
	return "unpack it and name the result: " + unpack + " " + shell.Quote(a.Path)
}

// unpackAll is the command that unpacks an archive, and only some of its members where
// they are named, into a folder beside it.
func (a *Archive) unpackAll(members ...string) string {
	folder, path := a.unpackedFolder(), shell.Quote(a.Path)
	for i, m := range members {
		members[i] = " " + shell.Quote(m)
	}
	only := strings.Join(members, "")
	if a.Format == Tar {
		return "mkdir " + shell.Quote(folder) + " && tar -xf " + path + " -C " + shell.Quote(folder) + only
	}
	return "unzip " + path + only + " -d " + shell.Quote(folder)
}

// unpackedFolder is where unpackAll unpacks to.
func (a *Archive) unpackedFolder() string {
	name := a.Path
	for _, suffix := range []string{".gz", ".tgz", ".tar", ".zip"} {
		name = strings.TrimSuffix(name, suffix)
	}
	return name + "-unpacked"
}

func firstLine(b []byte) []byte {
	b = bytes.TrimLeft(b, "\r\n")
	if i := bytes.IndexAny(b, "\r\n"); i >= 0 {
		b = b[:i]
	}
	return b[:min(len(b), 60)]
}
