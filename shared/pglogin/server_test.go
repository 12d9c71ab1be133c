package pglogin_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/odpm/odpm/shared/pglogin"
	"github.com/odpm/odpm/test/localpg"
)

const password = `p'w"\ $x é`

func TestMain(m *testing.M) {
	// A connection is to come from the tests alone.
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "PG") {
			os.Unsetenv(name)
		}
	}
	code := m.Run()
	if common != nil {
		common.Remove()
	}
	os.Exit(code)
}

// common is the server of the tests that do not disturb each other.
var common *localpg.Cluster

func shared(t *testing.T) *localpg.Cluster {
	t.Helper()
	if common == nil {
		common = launch(t, "log_connections = on")
	}
	return common
}

// start gives a running PostgreSQL 15 of a test's own, with the role odoo.
func start(t *testing.T, conf ...string) *localpg.Cluster {
	t.Helper()
	c := launch(t, conf...)
	t.Cleanup(c.Remove)
	return c
}

func launch(t *testing.T, conf ...string) *localpg.Cluster {
	t.Helper()
	return launchMajor(t, "15", conf...)
}

func launchMajor(t *testing.T, major string, conf ...string) *localpg.Cluster {
	t.Helper()
	bin, err := localpg.Bin(major)
	if err != nil {
		t.Fatal(err)
	}
	c, err := localpg.New("", bin, conf...)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	sql(t, c, "CREATE ROLE odoo LOGIN CREATEDB PASSWORD '"+strings.ReplaceAll(password, "'", "''")+"'")
	return c
}

func sql(t *testing.T, c *localpg.Cluster, statements ...string) string {
	t.Helper()
	out, err := c.SQL("postgres", statements...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func config(c *localpg.Cluster) pglogin.Config {
	return pglogin.Config{Host: "127.0.0.1", Port: c.Port, User: "odoo", Password: password, ApplicationName: "test"}
}

// logged counts lines of the server's log that hold words.
func logged(t *testing.T, c *localpg.Cluster, words string) int {
	t.Helper()
	data, err := os.ReadFile(c.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(data), words)
}

// withTLS gives the cluster a certificate for the name localhost, by an
// authority whose file it returns, and restarts it.
func withTLS(t *testing.T, c *localpg.Cluster) (root string) {
	t.Helper()
	if err := c.Stop(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	der, key := certificate(t)
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(c.Dir)
	if err != nil {
		t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	for name, block := range map[string]*pem.Block{
		"server.crt": {Type: "CERTIFICATE", Bytes: der}, "server.key": {Type: "EC PRIVATE KEY", Bytes: raw},
	} {
		path := filepath.Join(c.Dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, int(owner.Uid), int(owner.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Append("postgresql.conf", "ssl = on"); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	root = filepath.Join(t.TempDir(), "root.crt")
	if err := os.WriteFile(root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}
	return root
}

// certificate is one for the name localhost that is its own authority.
func certificate(t *testing.T) (der []byte, key *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	if der, err = x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key); err != nil {
		t.Fatal(err)
	}
	return der, key
}

// otherAuthority is the certificate of one that no server of ours has.
func otherAuthority(t *testing.T) string {
	t.Helper()
	der, _ := certificate(t)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// proxy stands between client and server; gate decides what becomes of each
// connection: nil to pass it on.
func proxy(t *testing.T, to int, gate func(n int, c net.Conn) (pass bool)) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for n := 0; ; n++ {
			in, err := l.Accept()
			if err != nil {
				return
			}
			if !gate(n, in) {
				in.Close()
				continue
			}
			go func() {
				defer in.Close()
				out, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(to))
				if err != nil {
					return
				}
				defer out.Close()
				go copyAll(out, in)
				copyAll(in, out)
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

func copyAll(to, from net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// refuse speaks for a server without TLS that turns the login down with e. It
// says whether it was asked for TLS.
func refuse(c net.Conn, e *pgproto3.ErrorResponse) (asked bool) {
	e.Severity, e.SeverityUnlocalized = "FATAL", "FATAL"
	backend := pgproto3.NewBackend(c, c)
	for {
		m, err := backend.ReceiveStartupMessage()
		if err != nil {
			return asked
		}
		if _, ok := m.(*pgproto3.SSLRequest); ok {
			asked = true
			c.Write([]byte("N"))
			continue
		}
		backend.Send(e)
		backend.Flush()
		return asked
	}
}
