package odoodbtest

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/odoodb/sqldump"
)

// Rebuild copies the fixture, changed entry by entry; nil leaves one out.
func Rebuild(t *testing.T, change func(name string, content []byte) []byte) string {
	t.Helper()
	z, err := zip.OpenReader(Fixture("o18.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	path := filepath.Join(t.TempDir(), "changed.zip")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := zip.NewWriter(out)
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			t.Fatal(err)
		}
		if b = change(f.Name, b); b == nil {
			continue
		}
		e, err := w.Create(f.Name)
		if err == nil {
			_, err = e.Write(b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), out.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// ReplaceIn, Without and CutAt are changes for Rebuild: of a text in an entry, of entries
// with part in their names, and of dump.sql, which ends after mark.
func ReplaceIn(entry, old, new string) func(string, []byte) []byte {
	return func(name string, b []byte) []byte {
		if name == entry {
			return bytes.Replace(b, []byte(old), []byte(new), 1)
		}
		return b
	}
}

func Without(part string) func(string, []byte) []byte {
	return func(name string, b []byte) []byte {
		if strings.Contains(name, part) {
			return nil
		}
		return b
	}
}

func CutAt(mark string) func(string, []byte) []byte {
	return func(name string, b []byte) []byte {
		if name == "dump.sql" {
			i := bytes.Index(b, []byte(mark))
			return b[:i+bytes.IndexByte(b[i:], '\n')+20]
		}
		return b
	}
}

// DumpOf has extensions before the first table, as pg_dump writes them.
func DumpOf(t *testing.T, head, more string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tiny.zip")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := zip.NewWriter(f)
	e, err := w.Create("dump.sql")
	if err == nil {
		_, err = e.Write([]byte(`--
-- PostgreSQL database dump
--

-- Dumped from database version 15.1
-- Dumped by pg_dump version 15.1

` + head + `
CREATE TABLE public.ir_module_module (name varchar, state varchar, latest_version varchar);
INSERT INTO public.ir_module_module VALUES ('base', 'installed', '18.0.1.3');
CREATE TABLE public.ir_config_parameter (key varchar PRIMARY KEY, value text);
INSERT INTO public.ir_config_parameter VALUES ('database.uuid', 'x');
` + more + "\n--\n" + sqldump.Trailer + "\n--\n"))
	}
	if err := errors.Join(err, w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// TinyDump is an archive of the least that a restore takes for Odoo's.
func TinyDump(t *testing.T, more string) string {
	t.Helper()
	return DumpOf(t, "", more)
}

// FixtureFiles are the fixture's, by name.
func FixtureFiles(t *testing.T) map[string][]byte {
	t.Helper()
	z, err := zip.OpenReader(Fixture("o18.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	files := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if files[f.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(f.Name, "checklist") {
			delete(files, f.Name)
		}
	}
	return files
}

// Fixture is the path of an archive of a real Odoo 18, "o18.zip" or "o18.dump", from
// the folder of a room's tests.
func Fixture(name string) string {
	path := filepath.Join("testdata", name)
	for range 3 {
		if Present(path) {
			break
		}
		path = filepath.Join("..", path)
	}
	return path
}
