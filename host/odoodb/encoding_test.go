package odoodb

import (
	"archive/zip"
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
)

// TestSQLASCII: bytes that are not UTF-8 do not get into a database in UTF8, by
// COPY neither, which looks at none where the client is in SQL_ASCII. Verify says
// so beforehand.
func TestSQLASCII(t *testing.T) {
	s := newServer(t)
	in := func(encoding, name string) func(string, []byte) []byte {
		return func(entry string, b []byte) []byte {
			if entry != "dump.sql" {
				return b
			}
			b = bytes.Replace(b, []byte("client_encoding = 'UTF8'"), []byte("client_encoding = '"+encoding+"'"), 1)
			return bytes.ReplaceAll(b, []byte("\tAdministrator\t"), []byte("\t"+name+"\t"))
		}
	}
	for name, tc := range map[string]struct {
		file string
		want string
	}{
		"bytes of LATIN1":    {rebuild(t, in("SQL_ASCII", "J\xf6rg")), "is in the line SET client_encoding"},
		"UTF-8 all the same": {rebuild(t, in("SQL_ASCII", "J\u00f6rg")), ""},
		"named":              {rebuild(t, in("LATIN1", "J\xf6rg")), ""},
	} {
		_, verr := Verify(ctx, tc.file, VerifyOptions{})
		_, rerr := s.Restore(ctx, RestoreOptions{File: tc.file, Database: "ascii", OdooMajor: 18})
		for who, err := range map[string]error{"verify": verr, "restore": rerr} {
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), "SET client_encoding = 'SQL_ASCII'") {
				t.Errorf("%s: %s: %v", name, who, err)
			}
		}
	}
}

// TestBackupOfSQLASCII: what such a database has is kept, whatever it means.
func TestBackupOfSQLASCII(t *testing.T) {
	s := newServer(t)
	pg := odoodbtest.Shared(t)
	psql := func(db string, in io.Reader, args ...string) {
		t.Helper()
		if err := pg.Command(ctx, engine.Command{Argv: append([]string{"psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", odoodbtest.Superuser, "-d", db}, args...), Stdin: in, Stdout: io.Discard}); err != nil {
			t.Fatal(err)
		}
	}
	psql("postgres", nil, "-c", `CREATE DATABASE old_ascii OWNER `+ident(s.AppRole)+` TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'`)
	t.Cleanup(func() { psql("postgres", nil, "-c", `DROP DATABASE old_ascii`) })
	dump := fixtureFiles(t)["dump.sql"]
	dump = bytes.Replace(dump, []byte("client_encoding = 'UTF8'"), []byte("client_encoding = 'SQL_ASCII'"), 1)
	psql("old_ascii", bytes.NewReader(dump))
	psql("old_ascii", strings.NewReader("SET client_encoding = 'SQL_ASCII'; UPDATE res_partner SET name = 'J\xf6rg' WHERE id = 1;"))
	file := filepath.Join(t.TempDir(), "a.zip")
	res, err := s.Backup(ctx, BackupOptions{Database: "old_ascii", File: file})
	if err != nil || !strings.Contains(strings.Join(res.Warnings, " "), "SQL_ASCII") {
		t.Fatalf("%v %q", err, res.Warnings)
	}
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	f, err := z.Open("dump.sql")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(f)
	if err != nil || !bytes.Contains(text, []byte("J\xf6rg")) {
		t.Errorf("the bytes are not there: %v", err)
	}
	if _, err := Verify(ctx, file, VerifyOptions{}); !IsUnproven(err) || !strings.Contains(err.Error(), "WIN1252") {
		t.Error(err)
	}
}

// TestHollow: a file with nothing in it is no bomb in the archive; text is
// compressed.
func TestHollow(t *testing.T) {
	enc, err := flate.NewWriter(io.Discard, fileLevel)
	if err != nil {
		t.Fatal(err)
	}
	text := fixtureFiles(t)["dump.sql"]
	tail := append(make([]byte, 8<<20), text...)
	for name, tc := range map[string]struct {
		content []byte
		want    bool
	}{"zeros": {make([]byte, 3<<20), true}, "text": {text, false}, "zeros and text": {tail, false}} {
		if got := hollow(bytes.NewReader(tc.content), int64(len(tc.content)), enc, &packBuffer{}); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
