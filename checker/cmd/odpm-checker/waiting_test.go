package main_test

import (
	"context"
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
)

// background starts the checker and gives what waits for its end.
func (i invocation) background(t *testing.T) (*exec.Cmd, func() result) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd, out, errs := i.prepare(t, ctx)
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, func() result {
		code := exitCode(t, cmd.Wait())
		return result{code, out.String(), errs.String(), time.Since(start)}
	}
}

// TestWaitsForTheServer: nothing listens, then a server comes up.
func TestWaitsForTheServer(t *testing.T) {
	c := startServer(t, nil)
	if err := c.Stop(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	cmd, wait := invocation{env: connection(c), args: []string{"--", "odoo"}}.background(t)
	says(t, cmd, "reason=refused")
	if err := c.Launch(); err != nil {
		t.Fatal(err)
	}
	r := wait()
	r.want(t, 0, "reason=refused", "login proven", "odoo pid=")
	// A line for each change of the reason, not for each attempt.
	if n := strings.Count(r.stderr, "waiting:"); n < 1 || n > 4 {
		t.Errorf("%d lines about waiting:\n%s", n, r.stderr)
	}
}

// TestWaitsForTheSocket: a directory in db_host is a Unix socket.
func TestWaitsForTheSocket(t *testing.T) {
	c := startServer(t, nil)
	if err := c.Append("pg_hba.conf", "local all all scram-sha-256"); err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	cmd, wait := invocation{env: connection(c), args: []string{"--", "odoo", "--db_host", c.SocketDir()}}.background(t)
	says(t, cmd, "reason=refused")
	if err := c.Launch(); err != nil {
		t.Fatal(err)
	}
	wait().want(t, 0, "reason=refused", "addr="+c.SocketDir())
}

// TestWaitsForRecovery: a server that answers 57P03 is retried, more slowly
// after the first second, since each attempt is a line in its log.
func TestWaitsForRecovery(t *testing.T) {
	c := startServer(t, nil)
	if err := c.Stop(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	// A standby that lets nobody in answers 57P03 until it is promoted.
	signalFile(t, c, "standby.signal")
	if err := c.Append("postgresql.conf", "hot_standby = off"); err != nil {
		t.Fatal(err)
	}
	if err := c.Launch(); err != nil {
		t.Fatal(err)
	}
	cmd, wait := invocation{env: connection(c), args: []string{"--", "odoo"}}.background(t)
	says(t, cmd, "57P03")
	time.Sleep(4 * time.Second)
	log, _ := os.ReadFile(c.LogFile())
	attempts := strings.Count(string(log), "is not accepting connections") + strings.Count(string(log), "is starting up")
	if attempts < 2 || attempts > 70 { // a busy machine has fewer
		t.Errorf("%d lines in the server's log after 4 s, want many in the first second and few afterwards", attempts)
	}
	promote := exec.Command(filepath.Join(c.Bin, "pg_ctl"), "promote", "-w", "-D", c.Dir)
	promote.SysProcAttr = asOwnerOf(t, c.Dir)
	if out, err := promote.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	wait().want(t, 0, "57P03", "login proven")
}

func asOwnerOf(t *testing.T, path string) *syscall.SysProcAttr {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	if int(st.Uid) == os.Getuid() {
		return nil
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: st.Uid, Gid: st.Gid}}
}

// TestWaitsForAConnection: 53300 in its three forms, each of which passes.
func TestWaitsForAConnection(t *testing.T) {
	c := startServer(t, nil, "max_connections = 6", "superuser_reserved_connections = 2")
	hold := func(t *testing.T, n int) func() {
		var open []*pgconn.PgConn
		for range n {
			conn, err := pgconn.Connect(context.Background(), "host=127.0.0.1 port="+strconv.Itoa(c.Port)+" user="+appRole+" dbname=postgres password="+quoteKV(appPassword))
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, conn)
		}
		return func() {
			for _, conn := range open {
				conn.Close(context.Background())
			}
		}
	}
	for _, tc := range []struct {
		name, set, reset string
		held             int
	}{
		{"all slots", "SELECT 1", "SELECT 1", 4},
		{"role limit", "ALTER ROLE odoo CONNECTION LIMIT 1", "ALTER ROLE odoo CONNECTION LIMIT -1", 1},
		{"database limit", "ALTER DATABASE postgres CONNECTION LIMIT 1", "ALTER DATABASE postgres CONNECTION LIMIT -1", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			sql(t, c, tc.set)
			release := hold(t, tc.held)
			cmd, wait := invocation{env: connection(c), args: []string{"--", "odoo"}}.background(t)
			says(t, cmd, "reason=too_many_connections")
			release()
			wait().want(t, 0, "reason=too_many_connections", "53300", "login proven")
			sql(t, c, tc.reset)
		})
	}
	t.Run("for ever", func(t *testing.T) {
		sql(t, c, "ALTER ROLE odoo CONNECTION LIMIT 0")
		r := invocation{env: connection(c), args: []string{"--timeout", "500ms", "--", "odoo"}}.run(t)
		r.want(t, 69, "reason=too_many_connections", "pg_stat_activity")
	})
}

func quoteKV(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// TestServerThatGoesAway: a server that goes away after it accepted, and comes
// back, is waited for again.
func TestServerThatGoesAway(t *testing.T) {
	c := startServer(t, nil)
	sql(t, c, "ALTER ROLE odoo CONNECTION LIMIT 0")
	cmd, wait := invocation{env: connection(c), args: []string{"--", "odoo"}}.background(t)
	says(t, cmd, "reason=too_many_connections")
	if err := c.Stop(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	says(t, cmd, "reason=refused")
	restart(t, c)
	sql(t, c, "ALTER ROLE odoo CONNECTION LIMIT -1")
	wait().want(t, 0, "reason=too_many_connections", "reason=refused", "login proven")
}

func restart(t *testing.T, c *localpg.Cluster) {
	t.Helper()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
}
