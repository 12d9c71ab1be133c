package enginetest

import (
	"context"
	"errors"
	"io"
	osexec "os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/host/engine"
)

func address(t *testing.T, s Subject) {
	ctx := limit(t)
	addr, err := s.PG.HostAddr(ctx)
	if err != nil || addr == "" {
		t.Fatalf("%q %v", addr, err)
	}
	conn, err := pgx.Connect(ctx, "postgres://postgres:"+s.Password+"@"+addr+"/postgres?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close(ctx)
	_, err = pgx.Connect(ctx, "postgres://postgres:wrong@"+addr+"/postgres?sslmode=disable")
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != "28P01" {
		t.Errorf("a wrong password over TCP: %v", err)
	}
}

// PrintedPsql: the line that odpm prints needs no password where the person who
// runs odpm types it.
func PrintedPsql(t *testing.T, s Subject) {
	line := s.PG.Psql(limit(t), "postgres") + " -XAtc 'SELECT 40+2'"
	// A person has a terminal, which compose wants unless it is asked not to.
	cmd := osexec.Command("sh", "-c", strings.Replace(line, " exec ", " exec -T ", 1))
	cmd.Dir = s.Dir
	if out, err := cmd.CombinedOutput(); err != nil || !strings.HasSuffix(string(out), "42\n") {
		t.Errorf("%s: %v\n%s", line, err, out)
	}
}

func connection(t *testing.T, s Subject) {
	ctx := limit(t)
	conn := Connect(t, s.remote())
	if got := one[string](t, conn, `SELECT current_user || ' ' || coalesce(inet_client_addr()::text, 'socket')`); got != "postgres socket" && s.PG != nil {
		t.Errorf("%q", got)
	}
	// A result of some 30 MB, and errors that leave the connection usable.
	if n := len(one[string](t, conn, `SELECT repeat('x', 30000000)`)); n != 30000000 {
		t.Errorf("%d bytes", n)
	}
	var pgErr *pgconn.PgError
	if _, err := conn.Exec(ctx, `SELECT nonsense`); !errors.As(err, &pgErr) || pgErr.Code != "42703" {
		t.Errorf("%v", err)
	}
	if got := one[int](t, conn, `SELECT 42`); got != 42 {
		t.Errorf("%d", got)
	}
	_, err := engine.Connect(ctx, s.remote(), engine.Login{User: "nobody-of-that-name", Database: "postgres"})
	if !errors.As(err, &pgErr) || !strings.HasPrefix(pgErr.Code, "28") {
		t.Errorf("a role that does not exist: %v", err)
	}
	// The server learns that we went.
	pid := conn.PgConn().PID()
	conn.Close(ctx)
	other := Connect(t, s.remote())
	eventually(t, "the backend ends with its connection", func() bool {
		return one[int](t, other, `SELECT count(*)::int FROM pg_stat_activity WHERE pid = $1`, int(pid)) == 0
	})
	// Closed without a word, as when the process dies.
	raw, err := s.remote().Dial(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Close(); err != nil {
		t.Error(err)
	}
	if _, err := raw.Write([]byte("x")); err == nil {
		t.Error("a closed connection takes bytes")
	}
}

// rows gives text for COPY, without holding it in memory.
type rows struct {
	left int
	line string
	rest string
}

func (r *rows) Read(p []byte) (int, error) {
	if r.rest == "" {
		if r.left == 0 {
			return 0, io.EOF
		}
		r.left--
		r.rest = r.line
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// counter is a writer that remembers how much came.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

const bigRows = 400_000

var bigLine = strings.Repeat("abcdefghi\t", 9) + "0123456789\n"

func bigCopy(t *testing.T, s Subject) {
	ctx := limit(t)
	conn := Connect(t, s.remote())
	exec(t, conn, `CREATE TABLE big (a text, b text, c text, d text, e text, f text, g text, h text, i text, j text)`)
	tag, err := conn.PgConn().CopyFrom(ctx, &rows{left: bigRows, line: bigLine}, `COPY big FROM STDIN`)
	if err != nil || tag.RowsAffected() != bigRows {
		t.Fatalf("%v %v", tag, err)
	}
	var out counter
	if _, err := conn.PgConn().CopyTo(ctx, &out, `COPY big TO STDOUT`); err != nil || out.n != int64(bigRows*len(bigLine)) {
		t.Errorf("%d bytes, want %d; %v", out.n, bigRows*len(bigLine), err)
	}
	// Both directions full at once: the server answers while we still send.
	batch := &pgx.Batch{}
	for range 2000 {
		batch.Queue(`SELECT repeat('y', 10000), length($1)`, strings.Repeat("z", 10000))
	}
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		t.Error(err)
	}
}

func cancelledQuery(t *testing.T, s Subject) {
	conn := Connect(t, s.remote())
	pid := conn.PgConn().PID()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	began := time.Now()
	if _, err := conn.Exec(ctx, `SELECT pg_sleep(100)`); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	conn.Close(context.Background())
	if d := time.Since(began); d > 20*time.Second {
		t.Errorf("it took %s to give up", d)
	}
	other := Connect(t, s.remote())
	one[bool](t, other, `SELECT pg_cancel_backend($1)`, int(pid))
	eventually(t, "the backend is gone", func() bool {
		return one[int](t, other, `SELECT count(*)::int FROM pg_stat_activity WHERE pid = $1`, int(pid)) == 0
	})
}
