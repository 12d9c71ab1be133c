package odoodb

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/odoodb/sqldump"
)

// TestHostileDefinition: verify reads the definitions of pg_dump's custom format
// as a restore does, which runs them.
func TestHostileDefinition(t *testing.T) {
	whole, err := os.ReadFile("testdata/o18.dump")
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(whole, []byte("CREATE TABLE public."))
	if i < 0 {
		t.Fatal("the fixture has no table")
	}
	const evil = "DROP DATABASE prod;--"
	copy(whole[i:], evil)
	path := filepath.Join(t.TempDir(), "evil.dump")
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	_, verr := Verify(ctx, path, VerifyOptions{})
	_, rerr := newServer(t).Restore(ctx, RestoreOptions{File: path, Database: "db", OdooMajor: 18})
	for who, err := range map[string]error{"verify": verr, "restore": rerr} {
		if !sqldump.IsRefused(err) || !strings.Contains(err.Error(), "reaches beyond the database") {
			t.Errorf("%s: %v", who, err)
		}
	}
}
