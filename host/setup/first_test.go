package setup

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/apply"
	"github.com/odpm/odpm/host/look"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/test/localpg"
)

// write puts the files of a First into a directory.
func write(t *testing.T, dir string, f First) {
	t.Helper()
	all, err := f.files(dir, nil)
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
	_, err = First{Odoo: "18.0", Postgres: "17", Port: port}.files(dir, nil)
	if !ui.IsRefusal(err) || !strings.Contains(err.Error(), "odpm init --port ") {
		t.Errorf("%v", err)
	}
}

func TestFirstVersions(t *testing.T) {
	for _, f := range []First{{Odoo: "eighteen", Postgres: "17"}, {Odoo: "18.0", Postgres: "9.6"}, {Odoo: "18.0", Postgres: "latest"}, {Odoo: "18.0", Postgres: "17", Port: 70000}} {
		if _, err := f.files(t.TempDir(), nil); !ui.IsUsage(err) {
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

// What ~/.odpm/.env and odoo.conf say already is not said again: a project of Python
// odpm has no .env of its own, and init gave it other ports and a second password.
func TestFirstSaysNothingTwice(t *testing.T) {
	dir, home := t.TempDir(), t.TempDir()
	for path, text := range map[string]string{
		filepath.Join(home, ".odpm/.env"): "POSTGRES_PORT=22601\nODOO_PORT=22602\nODPM_SCENARIO=server\n",
		filepath.Join(dir, "odoo.conf"):   "[options]\ndb_host = db\ndb_user = odoo\ndb_password = odoo\n",
		filepath.Join(dir, "odpm.json"):   `{"postgres_version": "15", "odoo_version": "17.0"}`,
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	o := apply.Options{Options: look.Options{Dir: dir, Home: home}, Term: ui.New(null, null, null, ui.Options{NoInput: true})}
	if _, err := Init(t.Context(), o, First{Odoo: "17.0", Postgres: "15"}, ""); err != nil {
		t.Fatal(err)
	}
	p, err := project.Load(dir, nil, home)
	if err != nil {
		t.Fatal(err)
	}
	if p.PostgresPort != 22601 || p.OdooPort != 22602 || p.Scenario != project.Server || p.AppPassword != "odoo" {
		t.Errorf("ports %d and %d, scenario %s", p.PostgresPort, p.OdooPort, p.Scenario)
	}
	env, err := os.ReadFile(filepath.Join(dir, ".env"))
	if err != nil {
		t.Fatal(err)
	}
	if text := string(env); !strings.Contains(text, "GEVENT_PORT=") || strings.Contains(text, "# The password") || strings.Contains(text, "# developer") {
		t.Errorf("%s", text)
	}
}

// TestFirstPortsOfOdooConf: Odoo stays where its odoo.conf has it.
func TestFirstPortsOfOdooConf(t *testing.T) {
	http, err := localpg.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	gevent, err := localpg.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	for _, names := range [][2]string{{"http_port", "gevent_port"}, {"xmlrpc_port", "longpolling_port"}} {
		dir := t.TempDir()
		text := fmt.Sprintf("[options]\ndb_host = db\n%s = %d\n%s = %d\n", names[0], http, names[1], gevent)
		if err := os.WriteFile(filepath.Join(dir, "odoo.conf"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Init(t.Context(), apply.Options{Options: look.Options{Dir: dir, Home: t.TempDir()}}, First{Odoo: "18.0", Postgres: "17"}, ""); err != nil {
			t.Fatal(err)
		}
		p, err := project.Load(dir, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		if p.OdooPort != http || p.GeventPort != gevent {
			t.Errorf("%s: ports %d and %d, want %d and %d", names, p.OdooPort, p.GeventPort, http, gevent)
		}
	}
}
