package odoodb

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/host/odoodb/odoodbtest"
)

// newServer is a project on the shared PostgreSQL: a role of its own and
// directories of its own.
func newServer(t *testing.T) *Server {
	t.Helper()
	pg := odoodbtest.Shared(t)
	s := &Server{
		PG:       pg,
		Programs: pg,
		AppRole:  "odoo " + token(), // a name that needs quoting
		Admin:    adminOf(pg),
		Files:    filestore.Layout{DataDir: filepath.Join(t.TempDir(), "odoo's data")}, // as well
		StateDir: filepath.Join(t.TempDir(), "state"),
	}
	mustAdmin(t, s, maintenance, `CREATE ROLE `+ident(s.AppRole)+` LOGIN CREATEDB`)
	t.Cleanup(func() {
		c, err := root(s, maintenance)
		if err != nil {
			t.Error(err)
			return
		}
		defer closeConn(c)
		dbs, err := collect(ctx, c, `SELECT datname::text FROM pg_database WHERE pg_get_userbyid(datdba) = $1`, s.AppRole)
		if err != nil {
			t.Error(err)
		}
		for _, db := range dbs {
			if err := dropHidden(ctx, &cluster.Session{Conn: c}, db, 0); err != nil {
				t.Error(err)
			}
		}
		if _, err := c.Exec(ctx, `DROP ROLE `+ident(s.AppRole)); err != nil {
			t.Error(err)
		}
	})
	return s
}

func adminOf(pg engine.Remote) func(context.Context, string) (*cluster.Session, error) {
	return adminWith(pg, os.Getenv(adminPasswordEnv))
}

func adminWith(pg engine.Remote, password string) func(context.Context, string) (*cluster.Session, error) {
	return func(ctx context.Context, database string) (*cluster.Session, error) {
		return cluster.Admin(ctx, pg, cluster.Hints{Password: password}, database)
	}
}

// rootPassword is a superuser's where pg_hba.conf asks for one.
var rootPassword = "boot-secret"

// root is a superuser's plain session, in which tests set things up and look.
func root(s *Server, database string) (*pgx.Conn, error) {
	return engine.Connect(ctx, s.PG, engine.Login{User: odoodbtest.Superuser, Password: rootPassword, Database: database})
}

func mustAdmin(t *testing.T, s *Server, database string, sqls ...string) {
	t.Helper()
	c, err := root(s, database)
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(c)
	for _, sql := range sqls {
		if _, err := c.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

func mustApp(t *testing.T, s *Server, database string, sqls ...string) {
	t.Helper()
	c, err := s.app(ctx, database)
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(c)
	for _, sql := range sqls {
		if _, err := c.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

func value[T any](t *testing.T, s *Server, database, sql string, args ...any) T {
	t.Helper()
	c, err := root(s, database)
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(c)
	var v T
	if err := c.QueryRow(ctx, sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// loadFixture puts the fixture into a database by the plainest means, psql -f and
// unzip, as an independent oracle.
func loadFixture(t *testing.T, s *Server, database string) {
	t.Helper()
	if err := s.Create(ctx, database, CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	z, err := zip.OpenReader("testdata/o18.zip")
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
			err = s.Programs.Command(ctx, engine.Command{Argv: []string{"psql", "-X", "-q", "-U", s.AppRole, "-d", conninfo(database)},
				Stdin: r, Stdout: io.Discard, Stderr: &stderr})
		case strings.HasPrefix(f.Name, "filestore/") && !f.FileInfo().IsDir():
			path := filepath.Join(s.filestore(database), strings.TrimPrefix(f.Name, "filestore/"))
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

// fingerprint is everything of a database that must survive: rows of every
// table, schema, and the file store's contents.
func fingerprint(t *testing.T, s *Server, database string) string {
	t.Helper()
	return rowCounts(t, s, database) + schemaOf(t, s, database) + treeSum(t, s.filestore(database))
}

// rowCounts has a checksum of the rows of every table.
func rowCounts(t *testing.T, s *Server, database string) string {
	t.Helper()
	c, err := root(s, database)
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(c)
	tables, err := collect(ctx, c, `SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, tab := range tables {
		var n int
		var sum string
		if err := c.QueryRow(ctx, `SELECT count(*), coalesce(sum(hashtextextended(x::text, 0)), 0)::text FROM `+tab+` x`).Scan(&n, &sum); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %d %s\n", tab, n, sum)
	}
	return b.String()
}

// schemaOf is pg_dump's view of the schema, without what differs by version or run.
func schemaOf(t *testing.T, s *Server, database string) string {
	t.Helper()
	var out strings.Builder
	if err := s.Programs.Command(ctx, engine.Command{Argv: []string{"pg_dump", "-U", odoodbtest.Superuser, "--schema-only", "--no-owner", "-d", conninfo(database)}, Stdout: &out}); err != nil {
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

// treeSum lists a directory's files with their checksums.
func treeSum(t *testing.T, dir string) string {
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

func databases(t *testing.T, s *Server) []string {
	t.Helper()
	c, err := root(s, maintenance)
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(c)
	dbs, err := collect(ctx, c, `SELECT datname::text FROM pg_database WHERE pg_get_userbyid(datdba) = $1 ORDER BY 1`, s.AppRole)
	if err != nil {
		t.Fatal(err)
	}
	return dbs
}

// present says whether there is anything of that name.
func present(path string) bool {
	_, err := os.Lstat(path)
	return !os.IsNotExist(err)
}

// missingIn are those names that have no file of Odoo's in a database's file store.
func missingIn(t *testing.T, s *Server, database string, names []string) []string {
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
