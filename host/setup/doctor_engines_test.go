package setup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/look"
)

// TestOneEngineIsEnough: on a machine with neither, doctor says that one will do. Two
// findings "missing" read as if both had to be installed.
func TestOneEngineIsEnough(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	for name, text := range map[string]string{
		"odpm.json": `{"postgres_version": "99", "odoo_version": "18.0"}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	said := func(environ ...string) string {
		var all strings.Builder
		for _, f := range Examine(t.Context(), look.Options{Dir: dir, Environ: environ, Home: dir}) {
			all.WriteString(f.Text + "\n")
		}
		return all.String()
	}
	const enough = "one of the two is enough"
	if got := said(); !strings.Contains(got, enough) || !strings.Contains(got, "docker client") || !strings.Contains(got, "no postgres of PostgreSQL 99") {
		t.Error(got)
	}
	if got := said("ODPM_RUNTIME=docker"); strings.Contains(got, enough) || !strings.Contains(got, "docker client") {
		t.Errorf("a choice that is made is offered again: %s", got)
	}
}
