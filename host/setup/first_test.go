package setup

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/ui"
)

// write puts the files of a First into a directory.
func write(t *testing.T, dir string, f First) {
	t.Helper()
	all, err := f.files(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range all {
		if err := os.WriteFile(filepath.Join(dir, n.name), []byte(n.content), n.mode); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFirstPortsAreFree: the usual ports are taken on a machine that has another
// Odoo, and the first run was refused.
func TestFirstPortsAreFree(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	dir := t.TempDir()
	write(t, dir, First{Odoo: "17.0", Postgres: "16-alpine"})
	p, err := project.Load(dir, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if p.OdooVersion != "17.0" || p.PostgresVersion != "16-alpine" || len(p.Warnings) > 0 {
		t.Errorf("%+v", p)
	}
	seen := map[int]bool{}
	for _, n := range []int{p.OdooPort, p.PostgresPort, p.GeventPort} {
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(n))
		if err != nil || seen[n] {
			t.Errorf("%d: %v", n, err)
			continue
		}
		seen[n] = true
		l.Close()
	}
	_, err = First{Odoo: "18.0", Postgres: "17", Port: port}.files(dir)
	if !ui.IsRefusal(err) || !strings.Contains(err.Error(), "odpm init --port ") {
		t.Errorf("%v", err)
	}
}

func TestFirstVersions(t *testing.T) {
	for _, f := range []First{{Odoo: "eighteen", Postgres: "17"}, {Odoo: "18.0", Postgres: "9.6"}, {Odoo: "18.0", Postgres: "latest"}, {Odoo: "18.0", Postgres: "17", Port: 70000}} {
		if _, err := f.files(t.TempDir()); !ui.IsUsage(err) {
			t.Errorf("%+v: %v", f, err)
		}
	}
}

// TestIgnored: what is there stays, and a second time adds nothing.
func TestIgnored(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, ".gitignore")
	if err := os.WriteFile(path, []byte("*.pyc\ndata\n!x"), 0o644); err != nil {
		t.Fatal(err)
	}
	const want = "*.pyc\ndata\n!x\n.env\n/.odpm/\n"
	for range 2 {
		f, err := ignored(dir)
		if err != nil || f.content != want {
			t.Fatalf("%q, %v", f.content, err)
		}
		if err := os.WriteFile(path, []byte(f.content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
