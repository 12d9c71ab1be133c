package odoodbtest

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/host/odoodb/tables"
)

// LoadFixture puts the fixture into a database by the plainest means, psql -f and
// unzip, as an independent oracle.
func LoadFixture(t *testing.T, s *server.Server, database string) {
	t.Helper()
	makeDatabase(t, s, database)
	z, err := zip.OpenReader(Fixture("o18.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case f.Name == "dump.sql":
			var stderr strings.Builder
			err = s.Programs.Command(context.Background(), engine.Command{Argv: []string{"psql", "-X", "-q", "-U", s.AppRole, "-d", server.Conninfo(database)},
				Stdin: r, Stdout: io.Discard, Stderr: &stderr})
		case strings.HasPrefix(f.Name, "filestore/") && !f.FileInfo().IsDir():
			path := filepath.Join(s.Files.Path(database), strings.TrimPrefix(f.Name, "filestore/"))
			if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
				var b []byte
				if b, err = io.ReadAll(r); err == nil {
					err = os.WriteFile(path, b, 0o644)
				}
			}
		}
		r.Close()
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
	}
}

// OldOdoo makes the few tables that the administrator's password touches, as
// they were in a version that there is no archive of.
func OldOdoo(t *testing.T, s *server.Server, db, version string, extra ...string) {
	t.Helper()
	makeDatabase(t, s, db)
	MustApp(t, s, db, append([]string{
		`CREATE TABLE ir_module_module (name varchar, state varchar, latest_version varchar)`,
		`INSERT INTO ir_module_module VALUES ('base', 'installed', '` + version + `')`,
		`CREATE TABLE ir_model_data (module varchar, name varchar, model varchar, res_id int)`,
		`CREATE TABLE ir_config_parameter (key varchar PRIMARY KEY, value text NOT NULL)`,
		`CREATE TABLE res_users (id int PRIMARY KEY, login varchar UNIQUE, active bool, password varchar)`,
		`INSERT INTO res_users VALUES (1, 'admin', true, ''), (2, 'second', true, '')`,
		`INSERT INTO ir_model_data VALUES ('base', 'user_root', 'res.users', 1)`,
	}, extra...)...)
}

// Fingerprint is everything of a database that must survive: rows of every
// table, schema, and the file store's contents.
func Fingerprint(t *testing.T, s *server.Server, database string) string {
	t.Helper()
	return RowCounts(t, s, database) + SchemaOf(t, s, database) + TreeSum(t, s.Files.Path(database))
}

// RowCounts has a checksum of the rows of every table.
func RowCounts(t *testing.T, s *server.Server, database string) string {
	t.Helper()
	c, err := Root(s, database)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close(c)
	tables, err := tables.Collect(context.Background(), c, `SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, tab := range tables {
		var n int
		var sum string
		if err := c.QueryRow(context.Background(), `SELECT count(*), coalesce(sum(hashtextextended(x::text, 0)), 0)::text FROM `+tab+` x`).Scan(&n, &sum); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %d %s\n", tab, n, sum)
	}
	return b.String()
}

// SchemaOf is pg_dump's view of the schema, without what differs by version or run.
func SchemaOf(t *testing.T, s *server.Server, database string) string {
	t.Helper()
	var out strings.Builder
	if err := s.Programs.Command(context.Background(), engine.Command{Argv: []string{"pg_dump", "-U", Superuser, "--schema-only", "--no-owner", "-d", server.Conninfo(database)}, Stdout: &out}); err != nil {
		t.Fatal(err)
	}
	var keep []string
	for _, l := range strings.Split(out.String(), "\n") {
		if !strings.HasPrefix(l, `\restrict`) && !strings.HasPrefix(l, `\unrestrict`) {
			keep = append(keep, l)
		}
	}
	return strings.Join(keep, "\n")
}

// TreeSum lists a directory's files with their checksums.
func TreeSum(t *testing.T, dir string) string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		lines = append(lines, fmt.Sprintf("%s %x", rel, sha256.Sum256(b)))
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n") + "\n"
}

// AttachmentSums are the files that attachments name, with checksums: what a
// backup without AllFiles carries.
func AttachmentSums(t *testing.T, s *server.Server, db string) string {
	t.Helper()
	var keep []string
	for _, l := range strings.Split(TreeSum(t, s.Files.Path(db)), "\n") {
		if !strings.HasPrefix(l, filestore.Checklist+"/") {
			keep = append(keep, l)
		}
	}
	return strings.Join(keep, "\n")
}

// MissingIn are those names that have no file of Odoo's in a database's file store.
func MissingIn(t *testing.T, s *server.Server, database string, names []string) []string {
	t.Helper()
	home, err := s.Files.Home(database)
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	store, err := home.Open(home.Live)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	return slices.DeleteFunc(names, func(n string) bool { _, err := store.Size(n); return err == nil })
}

// Present says whether there is anything of that name.
func Present(path string) bool {
	_, err := os.Lstat(path)
	return !os.IsNotExist(err)
}

// OnlyArchive: there is the archive and nothing of what a backup makes for
// itself.
func OnlyArchive(t *testing.T, s *server.Server, dir string, names ...string) {
	t.Helper()
	NoLeftovers(t, s)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, names) {
		t.Errorf("in the backup directory: %q", got)
	}
}

// NoLeftovers: whatever happened, nothing of odpm's own is left behind.
func NoLeftovers(t *testing.T, s *server.Server) {
	t.Helper()
	if left := Value[string](t, s, server.Maintenance, `SELECT concat_ws(' ', (SELECT string_agg(datname, ',') FROM pg_database WHERE datname ~ '^odpm_'),
		(SELECT string_agg(rolname, ',') FROM pg_roles WHERE rolname ~ '^odpm_'))`); left != "" {
		t.Errorf("databases or roles are left: %s", left)
	}
	for _, pattern := range []string{filepath.Join(s.Files.DataDir, "filestore", server.HiddenPrefix+"*"), filepath.Join(s.StateDir, "*"), filepath.Join(s.StateDir, ".*")} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			t.Errorf("left: %v", found)
		}
	}
}
