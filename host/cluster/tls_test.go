package cluster_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/shared/pglogin"
	"github.com/odpm/odpm/test/localpg"
	"github.com/odpm/odpm/test/peer"
)

// TestProveWithoutTLS: what demands TLS sends no password, nor anything else, to
// a peer that has none; what does not is Odoo's own default, and does.
func TestProveWithoutTLS(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	root := filepath.Join(t.TempDir(), "root.crt")
	pem, _, err := localpg.Certificate("db")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root, pem, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"prefer", "require", "verify-ca", "verify-full"} {
		for _, file := range []string{"", root} {
			t.Run(mode+" "+filepath.Base(file), func(t *testing.T) {
				ctx := deadline(t)
				t.Setenv("PGSSLROOTCERT", file)
				p, err := peer.Listen("127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				w := cluster.Wanted{Role: "odoo", Password: "s3cret", Host: "db", SSLMode: mode, TLSFiles: true}
				err = cluster.Prove(ctx, p.Addr(), w, "postgres")
				reason, is := pglogin.ReasonOf(err)
				if mode == "prefer" {
					if !strings.Contains(p.Received(), "s3cret") {
						t.Errorf("%v, and the peer was sent %q", err, p.Received())
					}
					return
				}
				if !is || reason != pglogin.TLS || !strings.Contains(err.Error(), "TLS") && !strings.Contains(err.Error(), "certificate authorities") {
					t.Errorf("%v (%v)", err, reason)
				}
				// The administrator's connection, and the bootstrap's second one.
				if c, err := (engine.TCP{Addr: p.Addr(), Name: "db", SSLMode: mode, TLSFiles: true}).Dial(ctx); err == nil {
					c.Close()
					t.Error("connected without TLS")
				} else if !strings.Contains(err.Error(), mode) {
					t.Errorf("the error does not name the demand: %v", err)
				}
				if p.Received() != "" {
					t.Errorf("the peer was sent %q", p.Received())
				}
			})
		}
	}
}

// TestProveWithTLS: the certificate is for the name that Odoo uses, whatever
// the address is that this machine reaches the server under.
func TestProveWithTLS(t *testing.T) {
	ctx := deadline(t)
	bin, err := localpg.Bin("15")
	if err != nil {
		t.Fatal(err)
	}
	c, err := localpg.New("", bin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Remove)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	root, err := c.WithTLS("db")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.SQL("postgres", "CREATE ROLE odoo LOGIN PASSWORD 's3cret'"); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("PGSSLROOTCERT", "")
	// What would lead elsewhere does not count.
	t.Setenv("PGHOSTADDR", "127.0.0.9")
	t.Setenv("PGSSLMODE", "disable")
	addr := "127.0.0.1:" + strconv.Itoa(c.Port)
	try := func(name, mode string, works bool) {
		t.Helper()
		w := cluster.Wanted{Role: "odoo", Password: "s3cret", Host: name, SSLMode: mode, TLSFiles: true}
		if err := cluster.Prove(ctx, addr, w, ""); (err == nil) != works {
			t.Errorf("%s %s: %v", name, mode, err)
		} else if reason, _ := pglogin.ReasonOf(err); err != nil && reason != pglogin.TLS {
			t.Errorf("%s %s: not TLS, but %v", name, mode, err)
		}
		conn, err := (engine.TCP{Addr: addr, Name: name, SSLMode: mode, TLSFiles: true}).Dial(ctx)
		if (err == nil) != works {
			t.Errorf("dial %s %s: %v", name, mode, err)
		}
		if conn != nil {
			conn.Close()
		}
	}
	try("db", "require", true)
	try("db", "verify-full", false) // by whose authority?
	if err := os.Mkdir(filepath.Join(home, ".postgresql"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".postgresql", "root.crt"), root, 0o644); err != nil {
		t.Fatal(err)
	}
	try("db", "verify-full", true)
	try("other", "verify-full", false)
	try("", "verify-full", false)
	try("other", "verify-ca", true)
	other, _, err := localpg.Certificate("db")
	if err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(home, "other.crt")
	if err := os.WriteFile(wrong, other, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PGSSLROOTCERT", wrong)
	try("db", "verify-full", false)
	try("db", "require", false)
	try("db", "prefer", true)
}
