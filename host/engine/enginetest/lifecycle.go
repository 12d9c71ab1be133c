package enginetest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func singleUserRunning(t *testing.T, s Subject) {
	if _, err := s.PG.SingleUser(limit(t), "SELECT 1;\n"); err == nil {
		t.Error("single-user mode beside a running server")
	}
	if got := one[int](t, Connect(t, s.PG), `SELECT 1`); got != 1 {
		t.Error("the server suffered")
	}
}

func stop(t *testing.T, s Subject) {
	ctx := limit(t)
	exec(t, Connect(t, s.PG), `CREATE TABLE kept AS SELECT 7 AS n`)
	// An open session does not delay a fast shutdown.
	began := time.Now()
	if err := s.PG.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(began); d > 60*time.Second {
		t.Errorf("stopping took %s", d)
	}
	if st, err := s.PG.Status(ctx); err != nil || !st.Exists || st.Running || st.Ready {
		t.Errorf("%+v %v", st, err)
	}
	if h, err := s.PG.Holders(ctx); err != nil || len(h) != 0 {
		t.Errorf("%+v %v", h, err)
	}
	if _, err := s.PG.Dial(ctx); err == nil {
		t.Error("a connection to a stopped server")
	}
	if err := s.PG.Stop(ctx); err != nil {
		t.Errorf("a second stop: %v", err)
	}
}

func singleUser(t *testing.T, s Subject) {
	ctx := limit(t)
	if out, err := s.PG.SingleUser(ctx, "CREATE ROLE single LOGIN;\nCREATE ROLE second LOGIN;\n"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := s.PG.SingleUser(ctx, "CREATE ROLE single LOGIN;\nCREATE ROLE after;\n")
	if err == nil || !strings.Contains(out, "already exists") {
		t.Errorf("an SQL error was not told: %v\n%s", err, out)
	}
	if err != nil && !strings.Contains(err.Error(), "already exists") {
		t.Errorf("the error does not say what happened: %v", err)
	}
	short, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if _, err := s.PG.SingleUser(short, "SELECT pg_sleep(100);\n"); err == nil {
		t.Error("a cancelled run succeeded")
	}
	if h, err := s.PG.Holders(ctx); err != nil || len(h) != 0 {
		t.Errorf("a cancelled run is still there: %+v %v", h, err)
	}
}

func startAgain(t *testing.T, s Subject) {
	if err := s.PG.Start(limit(t)); err != nil {
		t.Fatal(err)
	}
	conn := Connect(t, s.PG)
	if n := one[int](t, conn, `SELECT n FROM kept`); n != 7 {
		t.Errorf("%d", n)
	}
	if n := one[int](t, conn, `SELECT count(*)::int FROM pg_roles WHERE rolname IN ('single', 'second', 'after')`); n != 2 {
		t.Errorf("%d of the two roles that single-user mode made", n)
	}
}

func recovery(t *testing.T, s Subject) {
	ctx := limit(t)
	conn := Connect(t, s.PG)
	exec(t, conn, `CREATE TABLE killed AS SELECT generate_series(1, 100000) AS n`)
	s.Kill(t)
	eventually(t, "it is down", func() bool {
		st, err := s.PG.Status(ctx)
		return err == nil && !st.Running
	})
	if err := s.PG.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, Connect(t, s.PG), `SELECT count(*)::int FROM killed`); n != 100000 {
		t.Errorf("%d", n)
	}
}

func cancelledWait(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.PG.Stop(limit(t)); err != nil {
		t.Fatal(err)
	}
	if err := s.PG.Start(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := s.PG.Start(limit(t)); err != nil {
		t.Fatal(err)
	}
}
