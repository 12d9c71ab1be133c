package external_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/odpm/odpm/host/engine/enginetest"
	"github.com/odpm/odpm/host/engine/external"
	"github.com/odpm/odpm/host/engine/native"
	"github.com/odpm/odpm/test/localpg"
)

// TestConformance: what the types say that it can do, it does like the others.
func TestConformance(t *testing.T) {
	dir, err := os.MkdirTemp("", "odpm-external-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	port, err := localpg.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	o := native.Options{DataDir: filepath.Join(dir, "pg"), Major: 15, Port: port, StateDir: filepath.Join(dir, "state"), AppRole: "odoo",
		Password: func() (string, error) { return "boot-secret", nil }}
	if o.BinDir, err = localpg.Bin("15"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(o.StateDir, 0o700); err != nil {
		t.Fatal(err)
	}
	theirs := native.New(o)
	t.Cleanup(func() { theirs.Stop(context.Background()) })
	if err := theirs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(o.DataDir, "pg_hba.conf"), []byte("local all all trust\nhost all all 127.0.0.1/32 trust\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := enginetest.Connect(t, theirs).Exec(t.Context(), "SELECT pg_reload_conf()"); err != nil {
		t.Fatal(err)
	}
	addr, err := theirs.HostAddr(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	host, at, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(at)
	if err != nil {
		t.Fatal(err)
	}
	enginetest.RunRemote(t, enginetest.Subject{Remote: external.New(external.Options{Host: host, Port: n}), Dir: "/"})
}
