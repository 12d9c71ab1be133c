package foreign

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A file of Compose version 1 is named as one, and what is printed makes one
// that is read.
func TestVersionOne(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "old shop")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "docker-compose.yml")
	text := "odoo:\n  image: odoo:17\n  links: [\"db:db\"]\ndb:\n  image: postgres:15\n  volumes: [\"./pg:/var/lib/postgresql/data\"]\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Read(context.Background(), path, nil)
	if err == nil || !strings.Contains(err.Error(), "Compose version 1") {
		t.Fatal(err)
	}
	if line, _, _ := strings.Cut(err.Error(), "\n"); !strings.HasSuffix(line, ".") {
		t.Errorf("a warning takes the first line, %q", line)
	}
	_, command, _ := strings.Cut(err.Error(), "services:\n")
	command, _, _ = strings.Cut(command, "        then")
	if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	f, err := Read(context.Background(), path+".v2.yml", nil)
	if err != nil || f.Odoo == nil || f.Postgres == nil {
		t.Errorf("%+v %v", f, err)
	}
}
