package native

import (
	"os"
	"path/filepath"
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
