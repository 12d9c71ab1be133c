package main_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/odpm/odpm/test/localpg"
)

// TestPoolerWithTLS: a pooler has certificates of its own on one side and looks at the
// server's on the other. What is wrong on its side of the server it tells nobody.
func TestPoolerWithTLS(t *testing.T) {
	c := startServer(t, nil)
	_, err := c.WithTLS("localhost")
	must(t, err)
	p := pooler(t, c, "")
	authority, key, err := localpg.Certificate("localhost")
	must(t, err)
	other, otherKey, err := localpg.Certificate("odoo")
	must(t, err)
	dir := t.TempDir()
	ca, client, clientKey := write(t, filepath.Join(dir, "ca.crt"), string(authority)), write(t, filepath.Join(dir, "client.crt"), string(other)), filepath.Join(dir, "client.key")
	must(t, os.WriteFile(clientKey, otherKey, 0o600))
	files := map[string]string{}
	for name, data := range map[string][]byte{"pooler.crt": authority, "pooler.key": key, "other.crt": other} {
		files[name], err = p.File(name, data)
		must(t, err)
	}
	serves := []string{"client_tls_sslmode = require", "client_tls_cert_file = " + files["pooler.crt"], "client_tls_key_file = " + files["pooler.key"]}
	wants := append([]string{"client_tls_sslmode = verify-full", "client_tls_ca_file = " + files["pooler.crt"]}, serves[1:]...)
	const words = "like a connection pooler that cannot reach its server"
	for _, tc := range []struct {
		name     string
		settings []string
		host     string
		env      []string
		code     int
		says     []string
	}{
		{"right", serves, "localhost", []string{"ODPM_DB_SSLMODE=verify-full", "PGSSLROOTCERT=" + ca}, 0, []string{"login proven"}},
		{"another name", serves, "127.0.0.1", []string{"ODPM_DB_SSLMODE=verify-full", "PGSSLROOTCERT=" + ca}, 77, []string{"reason=tls", "is for localhost and not for 127.0.0.1"}},
		{"another authority", serves, "localhost", []string{"ODPM_DB_SSLMODE=verify-full", "PGSSLROOTCERT=" + client}, 77, []string{"reason=tls", "signed by an authority that is not known here"}},
		{"without TLS", serves, "localhost", []string{"ODPM_DB_SSLMODE=disable"}, 77, []string{"reason=pooler_refused", "PgBouncer", "takes only connections with TLS"}},
		{"without a client's certificate", wants, "localhost", []string{"ODPM_DB_SSLMODE=require"}, 77, []string{"reason=tls", "requires a client certificate", "PGSSLCERT="}},
		{"without one, prefer", wants, "localhost", nil, 77, []string{"reason=tls", "requires a client certificate", "without TLS: the connection pooler", "PGSSLCERT="}},
		{"a client's certificate of another authority", wants, "localhost", []string{"ODPM_DB_SSLMODE=require", "PGSSLCERT=" + client, "PGSSLKEY=" + clientKey}, 77, []string{"reason=tls", "does not accept the client's certificate"}},
		{"another authority of the server", []string{"server_tls_sslmode = verify-full", "server_tls_ca_file = " + files["other.crt"]}, "127.0.0.1", nil, 69, []string{"reason=timeout", words, "TLS settings"}},
		{"the server has another name", []string{"server_tls_sslmode = verify-full", "server_tls_ca_file = " + files["pooler.crt"]}, "127.0.0.1", nil, 69, []string{"reason=timeout", words}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p.Stop()
			must(t, p.Configure(behind(c, ""), tc.settings))
			must(t, p.Start())
			env := append([]string{"PGHOST=" + tc.host, "PGPORT=" + strconv.Itoa(p.Port), "PGUSER=" + appRole, "PGPASSWORD=" + appPassword}, tc.env...)
			timeout := "30s"
			if tc.code == 69 {
				timeout = "2s"
			}
			invocation{env: env, args: []string{"--check", "--timeout", timeout}}.run(t).want(t, tc.code, tc.says...)
		})
	}
}
