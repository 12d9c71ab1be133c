package pglogin_test

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

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
	pem, err := c.WithTLS("localhost")
	if err != nil {
		t.Fatal(err)
	}
	root = filepath.Join(t.TempDir(), "root.crt")
	if err := os.WriteFile(root, pem, 0o644); err != nil {
		t.Fatal(err)
	}
	return root
}

// otherAuthority is the certificate of one that no server of ours has.
func otherAuthority(t *testing.T) string {
	t.Helper()
	pem, _, err := localpg.Certificate("localhost")
	if err != nil {
		t.Fatal(err)
	}
	return string(pem)
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
	if e.Severity == "" {
		e.Severity, e.SeverityUnlocalized = "FATAL", "FATAL"
	}
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
