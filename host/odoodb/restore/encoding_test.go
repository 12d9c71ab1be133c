package restore_test

import (
	"archive/zip"
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/verify"
	"github.com/odpm/odpm/host/quote"
)

// TestSQLASCII: bytes that are not UTF-8 do not get into a database in UTF8, by
// COPY neither, which looks at none where the client is in SQL_ASCII. Verify says
// so beforehand.
func TestSQLASCII(t *testing.T) {
	s := odoodbtest.NewServer(t)
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
		"bytes of LATIN1":    {odoodbtest.Rebuild(t, in("SQL_ASCII", "J\xf6rg")), "SET client_encoding = 'SQL_ASCII'"},
		"not as it says":     {odoodbtest.Rebuild(t, in("UTF8", "J\xf6rg")), "SET client_encoding = 'UTF8'"},
		"UTF-8 all the same": {odoodbtest.Rebuild(t, in("SQL_ASCII", "J\u00f6rg")), ""},
		"named":              {odoodbtest.Rebuild(t, in("LATIN1", "J\xf6rg")), ""},
	} {
		_, verr := verify.File(ctx, tc.file, verify.Options{})
		_, rerr := restore.Run(ctx, s, restore.Options{File: tc.file, Database: "ascii", OdooMajor: 18})
		for who, err := range map[string]error{"verify": verr, "restore": rerr} {
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: %s: %v", name, who, err)
			}
		}
	}
}

// TestBackupOfSQLASCII: what such a database has is kept, whatever it means.
func TestBackupOfSQLASCII(t *testing.T) {
	s := odoodbtest.NewServer(t)
	pg := odoodbtest.Shared(t)
	psql := func(db string, in io.Reader, args ...string) {
		t.Helper()
		if err := pg.Command(ctx, engine.Command{Argv: append([]string{"psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", odoodbtest.Superuser, "-d", db}, args...), Stdin: in, Stdout: io.Discard}); err != nil {
			t.Fatal(err)
		}
	}
	psql("postgres", nil, "-c", `CREATE DATABASE old_ascii OWNER `+quote.Ident(s.AppRole)+` TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'`)
	t.Cleanup(func() { psql("postgres", nil, "-c", `DROP DATABASE old_ascii`) })
	dump := odoodbtest.FixtureFiles(t)["dump.sql"]
	dump = bytes.Replace(dump, []byte("client_encoding = 'UTF8'"), []byte("client_encoding = 'SQL_ASCII'"), 1)
	psql("old_ascii", bytes.NewReader(dump))
	psql("old_ascii", strings.NewReader("SET client_encoding = 'SQL_ASCII'; UPDATE res_partner SET name = 'J\xf6rg' WHERE id = 1;"))
	file := filepath.Join(t.TempDir(), "a.zip")
	res, err := backup.Run(ctx, s, backup.Options{Database: "old_ascii", File: file})
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
	if _, err := verify.File(ctx, file, verify.Options{}); !verify.IsUnproven(err) || !strings.Contains(err.Error(), "WIN1252") {
		t.Error(err)
	}
}
