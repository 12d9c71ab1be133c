package main_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/odpm/odpm/test/localpg"
)

// standbyOf gives a streaming standby of c.
func standbyOf(t *testing.T, c *localpg.Cluster) *localpg.Cluster {
	t.Helper()
	s, err := c.Standby("log_connections = on")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Remove)
	return s
}

// hosts is the environment that lists servers.
func hosts(list ...*localpg.Cluster) []string {
	var names, ports []string
	for _, c := range list {
		names, ports = append(names, "127.0.0.1"), append(ports, strconv.Itoa(c.Port))
	}
	return []string{"PGHOST=" + strings.Join(names, ","), "PGPORT=" + strings.Join(ports, ","), "PGUSER=" + appRole, "PGPASSWORD=" + appPassword}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// logins counts what the server's log has of the application role.
func logins(t *testing.T, c *localpg.Cluster) int {
	t.Helper()
	log, err := os.ReadFile(c.LogFile())
	must(t, err)
	return strings.Count(string(log), "connection authorized: user="+appRole)
}

// until waits for a condition.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain until " + what)
		}
	}
}

// TestStandby: what Odoo needs is a server that takes writes, whatever a login
// to another is worth.
func TestStandby(t *testing.T) {
	primary := startServer(t, nil)
	standby := standbyOf(t, primary)
	attrs := func(v string) string { return "PGTARGETSESSIONATTRS=" + v }
	addr := func(c *localpg.Cluster) string { return "127.0.0.1:" + strconv.Itoa(c.Port) }
	for _, tc := range []struct {
		name string
		env  []string
		args []string
		code int
		says []string
	}{
		{"alone", hosts(standby), nil, 69, []string{"reason=standby", "is a standby", "pg_stat_wal_receiver", "--allow-standby"}},
		{"allowed", hosts(standby), []string{"--allow-standby"}, 0, []string{"level=WARN", "cannot write"}},
		{"allowed by variable", with(hosts(standby), "ODPM_ALLOW_STANDBY=1"), nil, 0, []string{"level=WARN"}},
		{"any, by a person", with(hosts(standby), attrs("any")), nil, 0, []string{"cannot write"}},
		{"standby wanted", with(hosts(primary, standby), attrs("standby")), nil, 0, []string{"login proven", "addr=" + addr(standby)}},
		{"standby preferred", with(hosts(primary, standby), attrs("prefer-standby")), nil, 0, []string{"addr=" + addr(standby)}},
		{"standby preferred, none there", with(hosts(primary), attrs("prefer-standby")), nil, 0, []string{"addr=" + addr(primary)}},
		{"standby wanted, none there", with(hosts(primary), attrs("standby")), nil, 69, []string{"reason=primary", "asks for standby"}},
		{"read-only wanted", with(hosts(primary, standby), attrs("read-only")), nil, 0, []string{"addr=" + addr(standby)}},
		{"read-write wanted", with(hosts(standby, primary), attrs("read-write")), nil, 0, []string{"addr=" + addr(primary)}},
		{"primary wanted", with(hosts(standby, primary), attrs("primary")), nil, 0, []string{"addr=" + addr(primary)}},
		{"primary wanted, none there", with(hosts(standby), attrs("primary")), nil, 69, []string{"reason=standby"}},
		// libpq takes the first that answers, so Odoo would be on the standby.
		{"standby first", hosts(standby, primary), nil, 69, []string{"reason=standby", addr(primary) + ", which takes writes", "PGTARGETSESSIONATTRS=read-write"}},
		{"primary first", hosts(primary, standby), nil, 0, []string{"addr=" + addr(primary)}},
		{"no such word", with(hosts(primary), attrs("master")), nil, 78, []string{"prefer-standby"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			timeout := "30s"
			if tc.code == 69 {
				timeout = "1500ms"
			}
			r := invocation{env: tc.env, args: append([]string{"--timeout", timeout}, append(tc.args, "--", "odoo")...)}.run(t)
			r.want(t, tc.code, tc.says...)
			if (tc.code == 0) != strings.Contains(r.stdout, "odoo pid=") {
				t.Errorf("Odoo was started, or not: %s", r.stdout)
			}
		})
	}
}

// TestFailover: the primary is gone, and the standby is promoted while the
// checker waits. It asks the standby seldom and says what each host is.
func TestFailover(t *testing.T) {
	primary := startServer(t, nil)
	standby := standbyOf(t, primary)
	must(t, primary.Stop(syscall.SIGQUIT))
	before, begun := logins(t, standby), time.Now()
	_, wait := invocation{env: with(hosts(primary, standby), "PGTARGETSESSIONATTRS=read-write"), args: []string{"--", "odoo"}}.background(t)
	until(t, "it has met the standby a few times", func() bool { return logins(t, standby) > before+5 })
	took := time.Since(begun)
	if n := logins(t, standby) - before; float64(n) > 2+took.Seconds()*4 {
		t.Errorf("%d logins in %s", n, took)
	}
	must(t, standby.Promote())
	wait().want(t, 0, "reason=standby", fmt.Sprintf("hosts: 127.0.0.1:%d refused, 127.0.0.1:%d standby", primary.Port, standby.Port), "login proven")
}

// TestDemoted: the old primary comes back as a standby, and none is one for a
// while.
func TestDemoted(t *testing.T) {
	a := startServer(t, nil)
	b := standbyOf(t, a)
	must(t, a.Demote())
	_, wait := invocation{env: with(hosts(a, b), "PGTARGETSESSIONATTRS=primary"), args: []string{"--", "odoo"}}.background(t)
	before := logins(t, b)
	until(t, "it has met the standby", func() bool { return logins(t, b) > before })
	must(t, b.Promote())
	wait().want(t, 0, fmt.Sprintf("addr=127.0.0.1:%d", b.Port))
}

// TestReadOnlyForAWhile: a switchover that lets nobody write for its last moments.
func TestReadOnlyForAWhile(t *testing.T) {
	c := startServer(t, nil, "log_connections = on")
	sql(t, c, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
	until(t, "the setting counts", func() bool { return sql(t, c, "SHOW default_transaction_read_only") == "on" })
	before := logins(t, c)
	_, wait := invocation{env: connection(c), args: []string{"--", "odoo"}}.background(t)
	until(t, "it has met the server", func() bool { return logins(t, c) > before+1 })
	sql(t, c, "SET default_transaction_read_only = off", "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
	wait().want(t, 0, "reason=read_only", "login proven")
}

// TestFrozenHost: a host that accepts and says nothing costs PGCONNECT_TIMEOUT,
// or its share of an attempt, and not the wait.
func TestFrozenHost(t *testing.T) {
	frozen, primary := startServer(t, nil), startServer(t, nil)
	must(t, frozen.Freeze())
	env := with(hosts(frozen, primary), "PGTARGETSESSIONATTRS=read-write")
	r := invocation{env: with(env, "PGCONNECT_TIMEOUT=2"), args: []string{"--", "odoo"}}.run(t)
	r.want(t, 0, fmt.Sprintf("addr=127.0.0.1:%d", primary.Port))
	if r.took > 5*time.Second || strings.Contains(r.stderr, "WARN") {
		t.Errorf("took %s\n%s", r.took, r.stderr)
	}
	// Odoo itself would wait for ever.
	invocation{env: env, args: []string{"--attempt-timeout", "2s", "--", "odoo"}}.run(t).want(t, 0, "level=WARN", "PGCONNECT_TIMEOUT")
}

// TestManyThroughAFailover: every checker gets through, and none of them hurries.
func TestManyThroughAFailover(t *testing.T) {
	const many = 20
	primary := startServer(t, nil)
	standby := standbyOf(t, primary)
	must(t, primary.Stop(syscall.SIGQUIT))
	before, begun := logins(t, standby), time.Now()
	var all sync.WaitGroup
	results := make([]result, many)
	for i := range many {
		_, wait := invocation{env: with(hosts(primary, standby), "PGTARGETSESSIONATTRS=read-write"), args: []string{"--check"}}.background(t)
		all.Go(func() { results[i] = wait() })
	}
	until(t, "they have met the standby", func() bool { return logins(t, standby) >= before+3*many })
	must(t, standby.Promote())
	all.Wait()
	for _, r := range results {
		r.want(t, 0, "login proven")
	}
	if n, s := logins(t, standby)-before, time.Since(begun).Seconds(); float64(n) > many*(2+4*s) {
		t.Errorf("%d logins of %d checkers in %.1f s", n, many, s)
	}
}

// TestReplica: the second connection of Odoo 18 is proven, and Odoo runs
// without it.
func TestReplica(t *testing.T) {
	primary := startServer(t, nil)
	standby := standbyOf(t, primary)
	other := server(t)
	conf := func(lines ...string) string {
		return write(t, t.TempDir()+"/odoo.conf", "[options]\ndb_host = 127.0.0.1\ndb_port = "+strconv.Itoa(primary.Port)+"\ndb_user = "+appRole+"\ndb_password = "+appPassword+"\n"+strings.Join(lines, "\n")+"\n")
	}
	port := func(c *localpg.Cluster) string { return "db_replica_port = " + strconv.Itoa(c.Port) }
	const host = "db_replica_host = 127.0.0.1"
	for _, tc := range []struct {
		name, conf, version string
		args, env           []string
		says, not           string
	}{
		{name: "a standby", conf: conf(host, port(standby)), version: "18.0", says: "replica proven"},
		{name: "on the command line", conf: conf(), version: "18.0", args: []string{"--db_replica_host=127.0.0.1", "--db_replica_port", strconv.Itoa(standby.Port)}, says: "standby=true"},
		{name: "from 19 in the environment", conf: conf(), version: "19.0", env: []string{"PGHOST_REPLICA=127.0.0.1", "PGPORT_REPLICA=" + strconv.Itoa(standby.Port)}, says: "standby=true"},
		{name: "17 knows none", conf: conf(host, port(standby)), version: "17.0", not: "replica"},
		{name: "none", conf: conf("db_replica_host = False"), version: "18.0", not: "replica"},
		{name: "nothing listens", conf: conf(host, "db_replica_port = 1"), version: "18.0", says: "reason=refused"},
		// Without a port it is libpq's, not db_port.
		{name: "the port is libpq's", conf: conf(host), version: "18.0", env: []string{"PGPORT=1"}, says: "127.0.0.1:1"},
		{name: "another cluster", conf: conf(host, port(other)), version: "18.0", says: "not the same cluster"},
		{name: "no port", conf: conf(host, "db_replica_port = topsecret"), version: "18.0", says: "not a number", not: "topsecret"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := invocation{env: with(tc.env, "ODOO_RC="+tc.conf, "ODOO_VERSION="+tc.version), args: append([]string{"--", "odoo"}, tc.args...)}.run(t)
			r.want(t, 0, tc.says, "odoo pid=")
			if tc.not != "" && strings.Contains(r.stderr, tc.not) {
				t.Errorf("%s", r.stderr)
			}
		})
	}
}
