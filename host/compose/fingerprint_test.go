package compose_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/odpm/odpm/host/compose"
)

// TestFingerprint: it is another one as soon as anything is that compose's
// document is made of, and only then.
func TestFingerprint(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files := []string{filepath.Join(dir, "docker-compose.yml"), filepath.Join(dir, "docker-compose.override.yml")}
	environ := []string{"TAG=15", "OTHER=1"}
	write("docker-compose.yml", "services:\n  db:\n    image: postgres:${TAG}\n    env_file: db.env\n  web:\n    image: odoo:${ODOO:-18.0}\n")
	write("docker-compose.override.yml", "include: [more.yml]\nservices:\n  web:\n    extends: {file: base.yml, service: base}\n")
	write("more.yml", "services:\n  mail:\n    image: mail:1\n")
	write("base.yml", "services:\n  base:\n    labels: {a: b}\n")
	write("db.env", "A=1\n")
	write(".env", "ODOO=17.0\n")
	of := func() string {
		t.Helper()
		return compose.Fingerprint(context.Background(), dir, "p", files, environ)
	}
	first := of()
	if first == "" || of() != first {
		t.Fatalf("%q, then %q", first, of())
	}
	environ[1] = "OTHER=2"
	write("db.env", "A=1\n# a comment\n")
	if of() != first {
		t.Error("what is in no document changes it")
	}
	for _, c := range []struct {
		what   string
		change func()
	}{
		{"environment file", func() { write("db.env", "A=2\n") }},
		{"included file", func() { write("more.yml", "services:\n  mail:\n    image: mail:2\n") }},
		{"extended file", func() { write("base.yml", "services:\n  base:\n    labels: {a: c}\n") }},
		{"variable", func() { environ[0] = "TAG=16" }},
		{".env", func() { write(".env", "ODOO=16.0\n") }},
		{"override", func() { write("docker-compose.override.yml", "services:\n  web:\n    labels: {x: y}\n") }},
		{"compose's own variable", func() { environ = append(environ, "COMPOSE_PROFILES=x") }},
	} {
		was := of()
		c.change()
		if now := of(); now == was || now == "" {
			t.Errorf("%s: %q, then %q", c.what, was, now)
		}
	}
	write("docker-compose.yml", "services: [\n")
	if got := of(); got != "" {
		t.Errorf("a broken file: %q", got)
	}
}
