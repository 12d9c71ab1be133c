package docker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/host/engine/docker"
	"github.com/odpm/odpm/host/engine/enginetest"
)

// The Alpine variant has no perl; bash over the loopback stands in.
func TestRelayWithoutPerl(t *testing.T) {
	ctx := limit(t)
	tag := build(t, "FROM "+image+"\nRUN rm -f /usr/bin/perl* /bin/nc /usr/bin/nc && for p in /usr/lib/postgresql/*/bin/*; do ln -sf $p /usr/bin/; done\n", nil)
	o := project(t)
	change(t, o, image, tag)
	o.Image = tag
	e := docker.New(o)
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	conn := enginetest.Connect(t, e)
	var n int
	if err := conn.QueryRow(ctx, `SELECT length(repeat('x', 20000000))`).Scan(&n); err != nil || n != 20000000 {
		t.Errorf("%d %v", n, err)
	}
	var text string
	if err := conn.QueryRow(ctx, `SELECT repeat('x', 20000000)`).Scan(&text); err != nil || len(text) != 20000000 {
		t.Errorf("%d %v", len(text), err)
	}
	if err := conn.QueryRow(ctx, `SELECT length($1)`, text).Scan(&n); err != nil || n != 20000000 {
		t.Errorf("%d %v", n, err)
	}
	pid := int(conn.PgConn().PID())
	// Closed without a word, in the middle of a query.
	raw, err := e.Dial(ctx)
	if err != nil {
		t.Fatal(err)
	}
	raw.Close()
	conn.Close(ctx)
	other := enginetest.Connect(t, e)
	for end := time.Now().Add(10 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if err := other.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE pid = $1`, pid).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the backend is still there")
		}
	}
	other.Close(ctx)
	left := ""
	for end := time.Now().Add(10 * time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		left = ""
		for _, l := range strings.Split(run(t, "top", container(t, o), "-eo", "pid,args"), "\n")[1:] {
			if f := strings.Fields(l); len(f) > 1 && !strings.HasPrefix(f[1], "postgres") {
				left += l + "\n"
			}
		}
		if left == "" {
			break
		}
	}
	if left != "" {
		t.Errorf("left behind:\n%s", left)
	}
	// Nobody restarted the server: an orphan that died of a signal would have.
	if log, err := e.Logs(ctx, 200); err != nil || strings.Contains(log, "terminating any other active server processes") {
		t.Errorf("%v\n%s", err, log)
	}
}

// Nothing secret is in an argument of any process of ours.
func TestNoSecretInArguments(t *testing.T) {
	ctx := limit(t)
	o := project(t)
	e := docker.New(o)
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	seen := watchArguments(t, "s3cr3t-of-ours")
	runSecrets(ctx, t, e, o)
	if lines := seen(); len(lines) > 0 {
		t.Errorf("seen in ps:\n%s", strings.Join(lines, "\n"))
	}
}
