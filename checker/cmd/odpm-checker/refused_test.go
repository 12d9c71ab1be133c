package main_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/test/localpg"
	peers "github.com/odpm/odpm/test/peer"
)

// refusingServer has one role for every way to be refused.
func refusingServer(t *testing.T, conf ...string) *localpg.Cluster {
	t.Helper()
	c := startServer(t, []string{
		"host all rejected all reject",
		"host all ghost,locked_trust all trust",
		"host all odoo,locked,expired,nopass,missing all scram-sha-256",
	}, append([]string{"log_connections = on"}, conf...)...)
	sql(t, c,
		"CREATE ROLE rejected LOGIN PASSWORD 'pw'",
		"CREATE ROLE unlisted LOGIN PASSWORD 'pw'",
		"CREATE ROLE locked NOLOGIN PASSWORD 'pw'",
		"CREATE ROLE locked_trust NOLOGIN",
		"CREATE ROLE expired LOGIN PASSWORD 'pw' VALID UNTIL '2001-01-01'",
		"CREATE ROLE nopass LOGIN",
		"CREATE DATABASE private",
		"REVOKE CONNECT ON DATABASE private FROM PUBLIC",
		"CREATE DATABASE frozen ALLOW_CONNECTIONS false",
		"CREATE DATABASE half",
		"UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'half'",
	)
	disk := filepath.Clean(sql(t, c, "SELECT current_setting('data_directory')") + "/../disk")
	sql(t, c, "COPY (SELECT WHERE false) TO PROGRAM 'mkdir "+disk+"'",
		"CREATE TABLESPACE disk LOCATION '"+disk+"'",
		"CREATE DATABASE unmounted TABLESPACE disk",
		"CHECKPOINT",
		"COPY (SELECT WHERE false) TO PROGRAM 'mv "+disk+" "+disk+".away'",
	)
	return c
}

// refusals: permanent, told at once, each with its next command.
var refusals = []struct {
	name, user, password, database string
	sqlstate, reason, next         string
}{
	{"wrong password", "odoo", "wrong", "", "28P01", "role_missing_or_wrong_password", "odpm database ensure-role"},
	{"missing role", "missing", "pw", "", "28P01", "role_missing_or_wrong_password", "odpm database ensure-role"},
	{"expired", "expired", "pw", "", "28P01", "role_missing_or_wrong_password", "odpm database ensure-role"},
	{"role without a password", "nopass", "pw", "", "28P01", "role_missing_or_wrong_password", "odpm database ensure-role"},
	{"NOLOGIN", "locked", "pw", "", "28000", "role_no_login", "odpm database ensure-role"},
	{"NOLOGIN under trust", "locked_trust", "", "", "28000", "role_no_login", "odpm database ensure-role"},
	{"missing under trust", "ghost", "", "", "28000", "role_no_login", "odpm database ensure-role"},
	{"hba reject", "rejected", "pw", "", "28000", "hba_rejected", "pg_hba_file_rules"},
	{"no hba line", "unlisted", "pw", "", "28000", "hba_rejected", "pg_hba_file_rules"},
	{"no CONNECT", "odoo", appPassword, "private", "42501", "no_connect_privilege", `GRANT CONNECT ON DATABASE \"private\" TO \"odoo\"`},
	{"ALLOW_CONNECTIONS false", "odoo", appPassword, "frozen", "55000", "not_accepting_connections", `after an interrupted restore: odpm; otherwise: psql -U postgres -d template1 -c 'ALTER DATABASE \"frozen\" ALLOW_CONNECTIONS true`},
	{"a drop that was cut short", "odoo", appPassword, "half", "55000", "database_invalid", `odpm -d half --db-drop; without odpm: psql -U postgres -d template1 -c 'DROP DATABASE \"half\"'`},
	{"a disk that is not mounted", "odoo", appPassword, "unmounted", "3D000", "login_refused", "mount the disk of the database's tablespace"},
}

func testRefusals(t *testing.T, c *localpg.Cluster) {
	for _, tc := range refusals {
		t.Run(tc.name, func(t *testing.T) {
			inv := invocation{env: []string{"PGHOST=127.0.0.1", "PGPORT=" + strconv.Itoa(c.Port), "PGUSER=" + tc.user, "PGPASSWORD=" + tc.password}, args: []string{"--", "odoo"}}
			if tc.database != "" {
				inv.args = append(inv.args, "-d", tc.database)
			}
			r := inv.run(t)
			r.want(t, 77, "reason="+tc.reason, "sqlstate="+tc.sqlstate, tc.next)
			if r.took > soon {
				t.Errorf("took %s; a refusal is told at once", r.took)
			}
			if r.stdout != "" {
				t.Errorf("Odoo was started: %s", r.stdout)
			}
			if n := strings.Count(r.stderr, "\n"); n != 2 {
				t.Errorf("%d lines, want what is checked and what was refused:\n%s", n, r.stderr)
			}
		})
	}
}

func TestRefused(t *testing.T) { testRefusals(t, refusingServer(t)) }

// TestRefusedInAnotherLanguage: SQLSTATE and Routine are not translated, so
// nothing changes but the server's own words.
func TestRefusedInAnotherLanguage(t *testing.T) {
	// The locale is made for this test alone: machines differ in theirs.
	dir, err := os.MkdirTemp("", "locale")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	if out, err := exec.Command("localedef", "-i", "ru_RU", "-f", "UTF-8", filepath.Join(dir, "ru_RU.UTF-8")).CombinedOutput(); err != nil {
		t.Fatalf("localedef: %v %s; run: make setup", err, out)
	}
	t.Setenv("LOCPATH", dir)
	c := refusingServer(t, "lc_messages = 'ru_RU.UTF-8'")
	if words := sql(t, c, "SELECT current_setting('lc_messages')"); words != "ru_RU.UTF-8" {
		t.Fatal(words)
	}
	testRefusals(t, c)
	r := invocation{env: with(connection(c), "PGPASSWORD=wrong"), args: []string{"--", "odoo"}}.run(t)
	r.want(t, 77, "не прошёл")
	if log, _ := os.ReadFile(c.LogFile()); !strings.Contains(string(log), "пользовател") {
		t.Error("the server's messages are not Russian, so this test tests nothing")
	}
}

// TestNotPostgreSQL: waiting does not turn another server into a database.
// What each of these says first is enough to know.
func TestNotPostgreSQL(t *testing.T) {
	for _, tc := range []struct {
		name, greeting string
		speaksFirst    bool
	}{
		{"web server", "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", false},
		{"Redis", "-ERR unknown command\r\n", false},
		{"SSH", "SSH-2.0-OpenSSH_9.2p1\r\n", true},
		{"MySQL", "\x4a\x00\x00\x00\x0a8.0.36\x00\x01\x00\x00\x00", true},
	} {
		for _, sslmode := range []string{"prefer", "disable", "require"} {
			t.Run(tc.name+"/"+sslmode, func(t *testing.T) {
				port := peer(t, func(c net.Conn) {
					if !tc.speaksFirst {
						c.Read(make([]byte, 8))
					}
					c.Write([]byte(tc.greeting))
					c.Read(make([]byte, 100))
					c.Close()
				})
				r := invocation{env: []string{"PGHOST=127.0.0.1", "PGUSER=odoo", "PGPORT=" + port, "ODPM_DB_SSLMODE=" + sslmode},
					args: []string{"--timeout", "3s", "--", "odoo"}}.run(t)
				r.want(t, 69, "reason=not_postgresql", "correct db_host and db_port")
				if r.took > soon {
					t.Errorf("took %s", r.took)
				}
			})
		}
	}
}

// silence keeps a connection and never answers.
func silence(c net.Conn) {
	c.Read(make([]byte, 1000))
	time.Sleep(time.Minute)
}

// peer listens and treats every connection to f.
func peer(t *testing.T, f func(net.Conn)) (port string) {
	t.Helper()
	return strconv.Itoa(peers.Serve(t, f).Port)
}

// TestNotReachable: everything that may pass is waited for, and ends in 69
// with the reason, the time and the next command.
func TestNotReachable(t *testing.T) {
	silent := peer(t, silence)
	closing := peer(t, func(c net.Conn) { c.Close() })
	for _, tc := range []struct {
		name, host, port, reason string
	}{
		{"refused", "127.0.0.1", "1", "refused"},
		{"no such name", "db.invalid", "5432", "dns"},
		{"no socket", t.TempDir(), "5432", "refused"},
		{"accepts and says nothing", "127.0.0.1", silent, "timeout"},
		{"accepts and closes", "127.0.0.1", closing, "closed"},
		{"several hosts", "127.0.0.1,127.0.0.2", "1", "refused"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := invocation{env: []string{"PGHOST=" + tc.host, "PGUSER=odoo", "PGPORT=" + tc.port},
				args: []string{"--timeout", "700ms", "--attempt-timeout", "200ms", "--", "odoo"}}.run(t)
			r.want(t, 69, "reason="+tc.reason, "was not ready after ", "next=")
			if r.took < 600*time.Millisecond || r.took > soon {
				t.Errorf("took %s, the deadline was 700ms", r.took)
			}
			// Quiet: start, the one reason, the end.
			if n := strings.Count(r.stderr, "\n"); n != 3 {
				t.Errorf("%d lines:\n%s", n, r.stderr)
			}
		})
	}
}

func signalFile(t *testing.T, c *localpg.Cluster, name string) {
	t.Helper()
	path := filepath.Join(c.Dir, name)
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", name, err))
	}
}
