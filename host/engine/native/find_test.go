package native

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestClientBesideTheServer: what is installed beside the server is taken, and a
// wrapper on PATH is not even asked for its version.
func TestClientBesideTheServer(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\ntouch " + filepath.Join(dir, "asked") + "\necho 'pg_dump (PostgreSQL) 15.1'\n"
	if err := os.WriteFile(filepath.Join(dir, "pg_dump"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	got, err := NewReader(Options{DataDir: filepath.Join(dir, "data"), Major: 15}).client(t.Context(), "pg_dump")
	if err != nil || got != "/usr/lib/postgresql/15/bin/pg_dump" {
		t.Errorf("%q, %v; this is for Debian's PostgreSQL 15, run: make setup", got, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "asked")); err == nil {
		t.Error("the one on PATH was started")
	}
	// Where there is none, the next newer one.
	if err := os.WriteFile(filepath.Join(dir, "pg_dump"), []byte("#!/bin/sh\necho 'pg_dump (PostgreSQL) 98.1'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err = NewReader(Options{DataDir: filepath.Join(dir, "data"), Major: 97}).client(t.Context(), "pg_dump"); got != filepath.Join(dir, "pg_dump") {
		t.Errorf("%q, %v", got, err)
	}
}

// TestNamedDirectory: where a person has named a directory, what is wrong with the
// programs there is said; a server of another place was started before.
func TestNamedDirectory(t *testing.T) {
	dir := t.TempDir()
	at := func(name string, mode os.FileMode, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), mode); err != nil {
			t.Fatal(err)
		}
		return filepath.Dir(path)
	}
	for name, tc := range map[string]struct{ dir, program, want string }{
		"not executable":  {at("a/postgres", 0o644, ""), "postgres", "a/postgres is not executable"},
		"another major":   {at("b/postgres", 0o755, "echo 'postgres (PostgreSQL) 13.2'"), "postgres", "b/postgres is from PostgreSQL 13"},
		"another program": {at("c/postgres", 0o755, "echo hello"), "postgres", "does not answer as PostgreSQL's programs do"},
		"fails":           {at("d/postgres", 0o755, "exit 3"), "postgres", "d/postgres --version fails: exit status 3"},
		"none":            {dir, "postgres", "there is no postgres in "},
		"no directory":    {filepath.Join(dir, "aa"), "postgres", "/aa does not exist"},
		"a client":        {at("e/pg_dump", 0o755, "echo 'pg_dump (PostgreSQL) 12.9'"), "pg_dump", "e/pg_dump is from PostgreSQL 12"},
		"a client's mode": {at("f/psql", 0o600, ""), "psql", "f/psql is not executable"},
	} {
		find := NewReader(Options{Major: 15, BinDir: tc.dir, BinDirFrom: "ODPM_PG_BINDIR"})
		_, err := find.program(t.Context(), tc.program)
		if tc.program != "postgres" {
			_, err = find.client(t.Context(), tc.program)
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "ODPM_PG_BINDIR names "+tc.dir) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A client that is not there is taken from elsewhere.
	find := NewReader(Options{Major: 15, BinDir: dir})
	if got, err := find.client(t.Context(), "pg_dump"); err != nil || got != "/usr/lib/postgresql/15/bin/pg_dump" {
		t.Errorf("%q, %v", got, err)
	}
}
