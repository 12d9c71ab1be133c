package archive

import (
	"archive/zip"
	"bytes"
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

func TestRefused(t *testing.T) {
	fixture, err := os.ReadFile("../testdata/o18.zip")
	if err != nil {
		t.Fatal(err)
	}
	dump, err := os.ReadFile("../testdata/o18.dump")
	if err != nil {
		t.Fatal(err)
	}
	zipOf := func(fill func(w *zip.Writer)) []byte {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		fill(w)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	add := func(w *zip.Writer, name, content string) {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(f, content)
	}
	with := func(name string) []byte {
		return zipOf(func(w *zip.Writer) { add(w, "dump.sql", header); add(w, name, "x") })
	}
	for name, tc := range map[string]struct {
		content []byte
		want    string
	}{
		"empty":      {nil, "is empty"},
		"text":       {[]byte("hello, world"), "neither"},
		"truncated":  {fixture[:len(fixture)-1000], "truncated"},
		"cut dump":   {dump[:30], "truncated"},
		"traversal":  {with("filestore/../../etc/x"), "leads out"},
		"parent":     {with("filestore/.."), "leads out"},
		"absolute":   {with("/etc/x"), "leads out"},
		"drive":      {with(`C:\x`), "leads out"},
		"backslash":  {with(`filestore\..\x`), "leads out"},
		"dot":        {with("filestore/./x"), "no file can have"},
		"empty part": {with("filestore//x"), "no file can have"},
		"no name":    {with(""), "without a name"},
		"long name":  {with("filestore/aa/" + strings.Repeat("n", 256)), "file systems take 255"},
		"long path":  {with("filestore/" + strings.Repeat("n/", 600) + "x"), "a name of 1211 bytes"},
		"deep":       {with("filestore/" + strings.Repeat("d/", 40) + "x"), "folders deep"},
		"escape":     {with("filestore/aa/\x1b[2Jx"), "control characters"},
		"newline":    {with("filestore/aa/a\nb"), "control characters"},
		"NUL":        {with("filestore/aa/a\x00b"), "control characters"},
		"latin-1":    {with("filestore/aa/\xe4"), "not UTF-8"},
		"file and directory": {zipOf(func(w *zip.Writer) {
			for _, n := range []string{"dump.sql", "filestore/ab", "filestore/ab/cd/x"} {
				add(w, n, header)
			}
		}), "as a file and as a directory"},
		"no dump":   {zipOf(func(w *zip.Writer) { add(w, "manifest.json", "{}") }), "no dump.sql"},
		"no header": {zipOf(func(w *zip.Writer) { add(w, "dump.sql", "DROP TABLE x;") }), "not what pg_dump writes"},
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
