package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/test/localpg"
	"github.com/odpm/odpm/test/programs"
)

// pooler puts Debian's PgBouncer in front of c, which serves database postgres
// and shop, with further words for postgres.
func pooler(t *testing.T, c *localpg.Cluster, postgres string, settings ...string) *localpg.Pooler {
	t.Helper()
	p, err := localpg.NewPooler(c, behind(c, postgres), settings)
	must(t, err)
	t.Cleanup(p.Remove)
	return p
}

func behind(c *localpg.Cluster, postgres string) []string {
	at := " = host=127.0.0.1 port=" + strconv.Itoa(c.Port)
	return []string{"postgres" + at + postgres, "shop" + at}
}

func through(p *localpg.Pooler) []string {
	return []string{"PGHOST=127.0.0.1", "PGPORT=" + strconv.Itoa(p.Port), "PGUSER=" + appRole, "PGPASSWORD=" + appPassword}
}

// TestPooler: a pooler answers in the server's place, in words of its own, and
// how it lends the server's sessions decides whether Odoo's bus works.
func TestPooler(t *testing.T) {
	c := startServer(t, nil, "log_connections = on")
	sql(t, c, "CREATE DATABASE shop OWNER odoo")
	session := pooler(t, c, "", "pool_mode = session")
	transaction := pooler(t, c, "", "pool_mode = transaction")
	mixed := pooler(t, c, " pool_mode=session", "pool_mode = transaction")
	nopostgres, err := localpg.NewPooler(c, behind(c, "")[1:], nil)
	must(t, err)
	t.Cleanup(nopostgres.Remove)

	const bus = "Odoo's bus"
	for name, tc := range map[string]struct {
		env  []string
		args []string
		code int
		says []string
		not  string
	}{
		"session":                       {env: through(session), says: []string{"LISTEN and NOTIFY proven", "login proven"}, not: "WARN"},
		"transaction":                   {env: through(transaction), says: []string{"level=WARN", bus, "pool_mode=session for database postgres", "login proven"}},
		"session for postgres alone":    {env: through(mixed), says: []string{"LISTEN and NOTIFY proven"}, not: "WARN"},
		"no pooler":                     {env: connection(c), says: []string{"login proven"}, not: "LISTEN"},
		"no pooler, asked":              {env: connection(c), args: []string{"--check-bus"}, says: []string{"LISTEN and NOTIFY proven", "pooler=false"}},
		"a database":                    {env: with(through(mixed), "ODPM_DB_NAME=shop"), says: []string{"login proven"}, not: "WARN"},
		"a database that it knows not":  {env: with(through(mixed), "ODPM_DB_NAME=fresh"), says: []string{"level=WARN", "does not know a database", "[databases]", "login proven"}},
		"postgres is what it knows not": {env: with(through(nopostgres), "ODPM_DB_NAME=shop"), code: 77, says: []string{"reason=pooler_refused", "PgBouncer", "role or database", "[databases]"}},
		"wrong password":                {env: with(through(mixed), "PGPASSWORD=wrong"), code: 77, says: []string{"reason=pooler_refused", "PgBouncer", "sqlstate=08P01", "password is wrong", "SASL authentication failed", "auth_file"}},
		"missing role":                  {env: with(through(mixed), "PGUSER=nobodyhere"), code: 77, says: []string{"reason=pooler_refused", "does not know the role"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := invocation{env: tc.env, args: append(tc.args, "--check")}.run(t)
			r.want(t, tc.code, tc.says...)
			if tc.not != "" && strings.Contains(r.stderr, tc.not) {
				t.Errorf("%s", r.stderr)
			}
			if r.took > 20*time.Second {
				t.Errorf("took %s", r.took)
			}
		})
	}
}

// TestPoolerIsStale: a pool that was filled before a promotion, or a demotion,
// repeats what was so then; psql believes it.
func TestPoolerIsStale(t *testing.T) {
	c := startServer(t, nil, "log_connections = on")
	must(t, c.Demote())
	p := pooler(t, c, "", "pool_mode = session", "server_login_retry = 1")
	invocation{env: through(p), args: []string{"--check", "--timeout", "1s"}}.run(t).want(t, 69, "reason=standby")
	_, wait := invocation{env: with(through(p), "PGTARGETSESSIONATTRS=primary"), args: []string{"--check"}}.background(t)
	must(t, c.Promote())
	wait().want(t, 0, "login proven")
	// psql is libpq, as Odoo's psycopg2 is: where it believes the pooler, Odoo
	// would not connect either, and that is said.
	psql, err := localpg.Client("psql", 15)
	must(t, err)
	cmd := exec.Command(psql, "-X", "-d", "postgres", "-c", "SELECT 1")
	cmd.Env = with(through(p), "PGTARGETSESSIONATTRS=primary")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "hot standby") {
		t.Errorf("psql does not believe the pooler, so this tests nothing: %v %s", err, out)
	}
	invocation{env: with(through(p), "PGTARGETSESSIONATTRS=primary"), args: []string{"--check"}}.run(t).want(t, 0, "level=WARN", "RECONNECT", "login proven")
	// And back: behind the pooler's answer of a primary there is a standby.
	must(t, c.Demote())
	invocation{env: with(through(p), "PGTARGETSESSIONATTRS=read-write"), args: []string{"--check", "--timeout", "3s"}}.run(t).want(t, 69, "reason=standby")
}

// TestPoolerWithoutServer: what a pooler says while its server is away passes,
// however often it says the same; so do its own limits.
func TestPoolerWithoutServer(t *testing.T) {
	c := startServer(t, nil)
	p := pooler(t, c, "", "pool_mode = session", "server_login_retry = 1", "query_wait_timeout = 5", "max_client_conn = 3")
	must(t, c.Stop(syscall.SIGQUIT))
	_, wait := invocation{env: through(p), args: []string{"--check"}}.background(t)
	time.Sleep(3 * time.Second)
	must(t, c.Start())
	wait().want(t, 0, "login proven")

	var held []*pgconn.PgConn
	for range 3 {
		conn, err := pgconn.Connect(t.Context(), "host=127.0.0.1 sslmode=disable dbname=postgres port="+strconv.Itoa(p.Port)+" user="+appRole+" password="+quoteKV(appPassword))
		must(t, err)
		held = append(held, conn)
	}
	_, wait = invocation{env: through(p), args: []string{"--check"}}.background(t)
	time.Sleep(1500 * time.Millisecond)
	for _, conn := range held {
		conn.Close(t.Context())
	}
	wait().want(t, 0, "reason=server_busy", "max_client_conn", "login proven")
}

// TestTLSCauses: each has a next step of its own, and none is to do without.
func TestTLSCauses(t *testing.T) {
	c := startServer(t, nil)
	env := func(host, root string) []string {
		return []string{"PGHOST=" + host, "PGPORT=" + strconv.Itoa(c.Port), "PGUSER=" + appRole, "PGPASSWORD=" + appPassword, "ODPM_DB_SSLMODE=verify-full", "PGSSLROOTCERT=" + root}
	}
	check := func(name string, env []string, code int, says ...string) {
		t.Run(name, func(t *testing.T) {
			r := invocation{env: env, args: []string{"--check", "--timeout", "20s"}}.run(t)
			r.want(t, code, says...)
			if _, next, _ := strings.Cut(r.stderr, "next="); strings.Contains(next, "sslmode") {
				t.Errorf("it advises to turn checking down: %s", next)
			}
		})
	}
	other, _, err := localpg.Certificate("localhost")
	must(t, err)
	dir := t.TempDir()
	ca, wrong := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "wrong.crt")
	must(t, os.WriteFile(wrong, other, 0o644))
	check("the server has none", env("localhost", wrong), 77, "reason=tls", "ssl = on")
	root, err := c.WithTLS("localhost")
	must(t, err)
	must(t, os.WriteFile(ca, root, 0o644))
	check("right", env("localhost", ca), 0, "login proven")
	check("another name", env("127.0.0.1", ca), 77, "reason=tls", "is for localhost and not for 127.0.0.1", "set db_host to a name that the certificate is for (localhost)")
	check("another authority", env("localhost", wrong), 77, "reason=tls", "signed by an authority that is not known here", "PGSSLROOTCERT=/path/to/ca.crt")
	check("no file", env("localhost", filepath.Join(dir, "missing.crt")), 78, "reason=configuration", "missing.crt", "does not exist", "mount")
	check("no file is named", env("localhost", "")[:5], 78, "reason=configuration", "PGSSLROOTCERT is not set")
	check("no certificates in it", env("localhost", write(t, filepath.Join(dir, "garbage"), "x")), 78, "reason=configuration", "cannot be used")
}

// TestDirectTLS: libpq 17 can begin TLS without asking for it, as proxies that
// choose the server by its name need it. What the server says first is then a
// record of TLS.
func TestDirectTLS(t *testing.T) {
	programs.Tested(t)
	bin, err := localpg.Bin("17")
	must(t, err)
	c, err := localpg.New("", bin)
	must(t, err)
	t.Cleanup(c.Remove)
	must(t, c.Start())
	makeRole(t, c)
	root, err := c.WithTLS("localhost")
	must(t, err)
	other, _, err := localpg.Certificate("localhost")
	must(t, err)
	dir := t.TempDir()
	ca, wrong := write(t, filepath.Join(dir, "ca.crt"), string(root)), write(t, filepath.Join(dir, "wrong.crt"), string(other))
	older := server(t)
	for _, tc := range []struct {
		name, root, password string
		port, code           int
		says                 []string
	}{
		{"right", ca, appPassword, c.Port, 0, []string{"login proven"}},
		{"another authority", wrong, appPassword, c.Port, 77, []string{"reason=tls", "signed by an authority that is not known here"}},
		{"wrong password", ca, "wrong", c.Port, 77, []string{"reason=role_missing_or_wrong_password"}},
		{"a server that knows only the question", ca, appPassword, older.Port, 69, []string{"reason=closed", "needs PostgreSQL 17"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			invocation{env: []string{"PGHOST=localhost", "PGPORT=" + strconv.Itoa(tc.port), "PGUSER=" + appRole, "PGPASSWORD=" + tc.password, "ODPM_DB_SSLMODE=verify-full",
				"PGSSLNEGOTIATION=direct", "PGSSLROOTCERT=" + tc.root}, args: []string{"--check", "--timeout", "3s"}}.run(t).want(t, tc.code, tc.says...)
		})
	}
}
