package archive

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOpenFixtures(t *testing.T) {
	a, err := Open("../testdata/o18.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if a.Format != Zip || a.Manifest.MajorVersion != "18.0" || len(a.Manifest.Modules) != 12 || a.Files != 18 ||
		a.Header.ServerMajor() != 15 || a.Header.DumpMajor() != 15 {
		t.Errorf("%+v", a)
	}
	d, err := Open("../testdata/o18.dump")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.Format != Dump || d.Header.ServerMajor() != 15 || d.Header.DumpMajor() != 15 || d.Header.ArchiveVersion != "1.14" {
		t.Errorf("%+v", d.Header)
	}
}

const header = "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 15.1\n-- Dumped by pg_dump version 15.1\n"

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

// zipOf and add are for contents that fit into memory, where nothing fails.
func zipOf(fill func(w *zip.Writer)) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	fill(w)
	_ = w.Close()
	return b.Bytes()
}

func add(w *zip.Writer, name, content string) {
	f, _ := w.Create(name)
	_, _ = io.WriteString(f, content)
}

// TestAmounts: how far a dump can be read is in the measure in which it is read, and the
// room that it needs at least is not that of the file store beside it.
func TestAmounts(t *testing.T) {
	custom, err := os.ReadFile("../testdata/o18.dump")
	if err != nil {
		t.Fatal(err)
	}
	sql, packed := []byte(header+strings.Repeat("SELECT 1;\n", 1000)), gzipped([]byte(header+strings.Repeat("SELECT 1;\n", 1000)))
	with := func(name string, dump []byte) []byte {
		return zipOf(func(w *zip.Writer) {
			add(w, name, string(dump))
			add(w, "filestore/aa/"+strings.Repeat("a", 40), strings.Repeat("x", 1<<20))
		})
	}
	for name, tc := range map[string]struct {
		content      []byte
		total, least int
	}{
		"dump.sql":    {with("dump.sql", sql), len(sql), len(sql)},
		"dump.sql.gz": {with("dump.sql.gz", packed), 0, len(packed)},
		"db.dump":     {with("db.dump", custom), len(custom), len(custom)},
		"db.dump.gz":  {gzipped(custom), 0, len(gzipped(custom))},
		"plain":       {sql, len(sql), len(sql)},
		"custom":      {custom, len(custom), len(custom)},
	} {
		path := filepath.Join(t.TempDir(), "backup")
		if err := os.WriteFile(path, tc.content, 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, least := a.DumpTotal(), a.DumpAtLeast(); got != int64(tc.total) || least != int64(tc.least) {
			t.Errorf("%s: %d and at least %d, not %d and %d", name, got, least, tc.total, tc.least)
		}
		if a.Format == Dump && tc.total > 0 {
			r, err := a.SQL()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, r); err != nil || a.ReadBytes() > a.DumpTotal() || a.ReadBytes() < a.DumpTotal()/2 {
				t.Errorf("%s: read %d of %d, %v", name, a.ReadBytes(), a.DumpTotal(), err)
			}
			r.Close()
		}
		a.Close()
	}
}

// TestByContent: what a dump is, and how often it is compressed, its content says.
func TestByContent(t *testing.T) {
	custom, err := os.ReadFile("../testdata/o18.dump")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		content []byte
		want    Format
	}{
		"SQL, twice":              {gzipped(gzipped([]byte(header))), Plain},
		"custom format, 3 times":  {gzipped(gzipped(gzipped(custom))), Dump},
		"after lines of his own":  {[]byte("SET x = 1;\n" + header), Plain},
		"dump.sql, custom format": {zipOf(func(w *zip.Writer) { add(w, "dump.sql", string(custom)) }), Dump},
		"dump.sql, compressed":    {zipOf(func(w *zip.Writer) { add(w, "dump.sql", string(gzipped([]byte(header)))) }), Zip},
		"dump.sql.gz, twice":      {zipOf(func(w *zip.Writer) { add(w, "dump.sql.gz", string(gzipped(gzipped([]byte(header))))) }), Zip},
		"dump.sql.gz that is not": {zipOf(func(w *zip.Writer) { add(w, "dump.sql.gz", header) }), Zip},
		"x.dump, SQL":             {zipOf(func(w *zip.Writer) { add(w, "x.dump", header) }), Zip},
	} {
		path := filepath.Join(t.TempDir(), "backup")
		if err := os.WriteFile(path, tc.content, 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := Open(path)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if a.Format != tc.want || a.Header.ServerMajor() != 15 {
			t.Errorf("%s: %s of %q", name, a.Format, a.Header.ServerVersion)
		}
		if tc.want != Dump {
			r, err := a.SQL()
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(r); err != nil || !bytes.Contains(b, []byte(header)) {
				t.Errorf("%s: %v %q", name, err, b)
			}
			r.Close()
		}
		a.Close()
	}
}

// TestGzipOfTerminal: gzip's output went through a terminal.
func TestGzipOfTerminal(t *testing.T) {
	long := []byte(header)
	for i := range 20_000 {
		long = fmt.Appendf(long, "-- %x\n", sha256.Sum256([]byte{byte(i), byte(i >> 8)}))
	}
	path := filepath.Join(t.TempDir(), "backup.sql.gz")
	if err := os.WriteFile(path, bytes.ReplaceAll(gzipped(long), []byte("\n"), []byte("\r\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := Open(path)
	if err == nil {
		defer a.Close()
		var r io.ReadCloser
		if r, err = a.SQL(); err == nil {
			defer r.Close()
			_, err = io.Copy(io.Discard, r)
		}
	}
	if !IsRefused(err) || !strings.Contains(err.Error(), "docker exec without -t") {
		t.Errorf("%v", err)
	}
}

// TestCutGzip: a download that ended early is found where it ends.
func TestCutGzip(t *testing.T) {
	long := []byte(header)
	for i := range 20_000 {
		long = fmt.Appendf(long, "-- %x\n", sha256.Sum256([]byte{byte(i), byte(i >> 8)}))
	}
	path := filepath.Join(t.TempDir(), "backup.sql.gz")
	if err := os.WriteFile(path, gzipped(long)[:100_000], 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	r, err := a.SQL()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	if want := "is damaged or truncated (unexpected EOF); copy it again from where it was made, and compare: sha256sum " + path; !IsRefused(err) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v", err)
	}
}

func TestRefused(t *testing.T) {
	fixture, err := os.ReadFile("../testdata/o18.zip")
	if err != nil {
		t.Fatal(err)
	}
	dump, err := os.ReadFile("../testdata/o18.dump")
	if err != nil {
		t.Fatal(err)
	}
	with := func(name string) []byte {
		return zipOf(func(w *zip.Writer) { add(w, "dump.sql", header); add(w, name, "x") })
	}
	for name, tc := range map[string]struct {
		content []byte
		want    string
	}{
		"empty":             {nil, "is empty"},
		"text":              {[]byte("hello, world"), `SQL or a tar; it begins with "hello, world"`},
		"xz":                {[]byte("\xfd7zXZ\x00..."), "compressed with xz, which odpm does not read; unpack it and name the result: xz -dc '"},
		"zstd":              {[]byte("\x28\xb5\x2f\xfd..."), "compressed with zstd"},
		"bzip2":             {[]byte("BZh91AY"), "compressed with bzip2"},
		"7-Zip":             {[]byte("7z\xbc\xaf\x27\x1c..."), "7z x '"},
		"gzip of 0":         {[]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00"), "is empty: the backup that made it failed"},
		"gzip again":        {gzipped(gzipped(gzipped(gzipped([]byte(header))))), "compressed with gzip more than 3 times, which odpm does not read; remove the outer gzip, and name the result: gzip -dc '"},
		"zip in gz":         {gzipped(fixture), "a zip inside another archive, which odpm does not read; remove the outer gzip, and name the result: gzip -dc '"},
		"xz in gz":          {gzipped(gzipped([]byte("\xfd7zXZ\x00..."))), "compressed with xz, which odpm does not read; remove the outer gzip, and name the result: gzip -dc '"},
		"GnuPG":             {[]byte("\x8c\x0d\x04\x09..."), "is encrypted with GnuPG, which odpm does not read; decode it and name the result: gpg -d '"},
		"armor":             {[]byte("-----BEGIN PGP MESSAGE-----\n\nhQ"), "is encrypted with GnuPG"},
		"age":               {[]byte("age-encryption.org/v1\n-> X25519"), "is encrypted with age"},
		"openssl":           {[]byte("Salted__12345678"), "is encrypted with openssl enc"},
		"base64":            {[]byte("UEsDBBQAAAAIABF6"), "is written as base64, which odpm does not read; decode it and name the result: base64 -d '"},
		"MySQL":             {[]byte("-- MySQL dump 10.13\n--\n"), "is a MySQL dump"},
		"a cluster":         {zipOf(func(w *zip.Writer) { add(w, "PG_VERSION", "15"); add(w, "global/pg_control", "x") }), "a copy of a server's data directory"},
		"zip in zip":        {zipOf(func(w *zip.Writer) { add(w, "one/b.zip", "PK") }), `only "one/b.zip", which is an archive itself: unpack it, and name `},
		"its xz":            {zipOf(func(w *zip.Writer) { add(w, "dump.sql", "\xfd7zXZ\x00...") }), `has "dump.sql", which is compressed with xz, which odpm does not read; unpack the archive into a folder`},
		"UTF-16":            {[]byte("\xff\xfe-\x00-\x00\n\x00"), "iconv -f UTF-16 -t UTF-8 "},
		"destroyed":         {[]byte("\xff\xfeP\x00G\x00D\x00M\x00P\x00"), "damaged by PowerShell"},
		"web page":          {[]byte("\n<!DOCTYPE html><html>"), "is a web page"},
		"2>&1":              {[]byte("pg_dump: warning: there are circular\n--\n-- PostgreSQL database dump\n"), "without 2>&1"},
		"cluster":           {[]byte("--\n-- PostgreSQL database cluster dump\n--\n"), "is the output of pg_dumpall"},
		"a terminal's dump": {bytes.ReplaceAll(dump, []byte("\n"), []byte("\r\n")), "docker exec without -t"},
		"a terminal's zip":  {bytes.ReplaceAll(fixture, []byte("\n"), []byte("\r\n")), "docker exec without -t"},
		"truncated":         {fixture[:len(fixture)-1000], "truncated"},
		"cut dump":          {dump[:30], "truncated"},
		"traversal":         {with("filestore/../../etc/x"), "leads out"},
		"parent":            {with("filestore/.."), "leads out"},
		"absolute":          {with("/etc/x"), "leads out"},
		"drive":             {with(`C:\..\..\x`), "leads out"},
		"backslash":         {with(`filestore\..\x`), "leads out"},
		"dot":               {with("filestore/./x"), "no file can have"},
		"empty part":        {with("filestore//x"), "no file can have"},
		"no name":           {with(""), "without a name"},
		"long name":         {with("filestore/aa/" + strings.Repeat("n", 256)), "file systems allow 255"},
		"long path":         {with("filestore/" + strings.Repeat("n/", 600) + "x"), "a name of 1211 bytes"},
		"deep":              {with("filestore/" + strings.Repeat("d/", 40) + "x"), "folders deep"},
		"escape":            {with("filestore/aa/\x1b[2Jx"), "control characters"},
		"newline":           {with("filestore/aa/a\nb"), "control characters"},
		"NUL":               {with("filestore/aa/a\x00b"), "control characters"},
		"latin-1":           {with("filestore/aa/\xe4"), "not UTF-8"},
		"file and directory": {zipOf(func(w *zip.Writer) {
			for _, n := range []string{"dump.sql", "filestore/ab", "filestore/ab/cd/x"} {
				add(w, n, header)
			}
		}), "as a file and as a directory"},
		"Deflate64": {zipOf(func(w *zip.Writer) { _, _ = w.CreateRaw(&zip.FileHeader{Name: "dump.sql", Method: 9}) }), `compressed with Deflate64; Odoo reads stored and deflated files only; unpack it, and name the folder: 7z x '-o`},
		"no dump":   {zipOf(func(w *zip.Writer) { add(w, "manifest.json", "{}") }), "no dump.sql"},
		"no header": {zipOf(func(w *zip.Writer) { add(w, "dump.sql", "DROP TABLE x;") }), `has "dump.sql", which was not written by pg_dump; it begins with "DROP TABLE x;"`},
		"twice":     {zipOf(func(w *zip.Writer) { add(w, "dump.sql", header); add(w, "dump.sql", header) }), "twice"},
		"symlink": {zipOf(func(w *zip.Writer) {
			add(w, "dump.sql", header)
			h := &zip.FileHeader{Name: "filestore/ab"}
			h.SetMode(os.ModeSymlink | 0o777)
			f, _ := w.CreateHeader(h)
			_, _ = io.WriteString(f, "/etc")
		}), "symbolic link"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "my zip")
			if err := os.WriteFile(path, tc.content, 0o600); err != nil {
				t.Fatal(err)
			}
			a, err := Open(path)
			if err == nil {
				a.Close()
			}
			if !IsRefused(err) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
