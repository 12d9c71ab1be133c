package enginetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/host/engine"
)

func psql(args ...string) []string {
	return append([]string{"psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "postgres"}, args...)
}

func command(t *testing.T, s Subject) {
	ctx := limit(t)
	var out, errs bytes.Buffer
	err := s.remote().Command(ctx, engine.Command{Argv: psql(), Stdin: strings.NewReader("SELECT 40+2;\n\\warn careful\n"), Stdout: &out, Stderr: &errs})
	if err != nil || out.String() != "42\n" || errs.String() != "careful\n" {
		t.Errorf("%q %q %v", out.String(), errs.String(), err)
	}
	err = s.remote().Command(ctx, engine.Command{Argv: psql(), Stdin: strings.NewReader("SELECT nonsense;\n")})
	var exit *engine.ExitError
	if !errors.As(err, &exit) || exit.Code != 3 || exit.Program != "psql" || !strings.Contains(exit.Stderr, "nonsense") {
		t.Errorf("%v", err)
	}
	// psql exits 2 where it cannot log in, and says so in English.
	err = s.remote().Command(ctx, engine.Command{Argv: []string{"psql", "-U", "nobody-of-that-name", "-d", "postgres", "-c", "SELECT 1"}})
	if !errors.As(err, &exit) || exit.Code != 2 || !strings.Contains(exit.Stderr, "nobody-of-that-name") {
		t.Errorf("%v", err)
	}
	// Arguments and variables arrive as they are.
	odd := `it's "odd" $HOME \ ünï` + "\n" + `two`
	out.Reset()
	err = s.remote().Command(ctx, engine.Command{
		Argv: psql("-v", "v="+odd), Env: []string{"ODPM_ODD=" + odd, "PGAPPNAME=of ours"}, Stdout: &out,
		Stdin: strings.NewReader("\\getenv e ODPM_ODD\nSELECT :'v' = :'e' AND length(:'v') = 26, current_setting('application_name');\n"),
	})
	if err != nil || out.String() != "t|of ours\n" {
		t.Errorf("%q %v", out.String(), err)
	}
	for _, program := range []string{"pg_dump", "pg_dumpall", "pg_restore"} {
		out.Reset()
		if err := s.remote().Command(ctx, engine.Command{Argv: []string{program, "--version"}, Stdout: &out}); err != nil || !strings.HasPrefix(out.String(), program) {
			t.Errorf("%s: %q %v", program, out.String(), err)
		}
	}
	if err := s.remote().Command(ctx, engine.Command{Argv: []string{"pg_no_such_program"}}); err == nil {
		t.Error("a program that does not exist")
	}
	// The person's own libpq variables do not decide.
	t.Setenv("PGHOST", "host.invalid")
	t.Setenv("PGUSER", "nobody")
	t.Setenv("PGDATABASE", "nowhere")
	if err := s.remote().Command(ctx, engine.Command{Argv: psql("-c", "SELECT 1")}); err != nil {
		t.Error(err)
	}
}

func bigPipe(t *testing.T, s Subject) {
	ctx := limit(t)
	// pg_dump's output goes straight into psql, both streamed.
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := s.remote().Command(ctx, engine.Command{Argv: []string{"pg_dump", "-U", "postgres", "-d", "postgres", "-t", "big"}, Stdout: w})
		w.CloseWithError(err)
		done <- err
	}()
	conn := Connect(t, s.remote())
	exec(t, conn, `CREATE DATABASE piped`)
	argv := []string{"psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "piped"}
	if err := s.remote().Command(ctx, engine.Command{Argv: argv, Stdin: r, Stdout: io.Discard}); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	var out bytes.Buffer
	err := s.remote().Command(ctx, engine.Command{Argv: append(argv, "-Atc", "SELECT count(*) FROM big"), Stdout: &out})
	if err != nil || strings.TrimSpace(out.String()) != "400000" {
		t.Errorf("%q %v", out.String(), err)
	}
	exec(t, conn, `DROP DATABASE piped`)
	exec(t, conn, `DROP TABLE big`)
	// A writer that fails ends the program and is the error.
	boom := errors.New("disk full")
	err = s.remote().Command(ctx, engine.Command{Argv: psql("-c", "SELECT repeat('x', 1000) FROM generate_series(1, 100000)"), Stdout: failing{boom}})
	if !errors.Is(err, boom) && err == nil {
		t.Errorf("%v", err)
	}
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func cancelledCommand(t *testing.T, s Subject) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	began := time.Now()
	err := s.remote().Command(ctx, engine.Command{Argv: psql("-c", "SELECT pg_sleep(100)"), Env: []string{"PGAPPNAME=cancelled"}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if d := time.Since(began); d > 30*time.Second {
		t.Errorf("it took %s", d)
	}
	conn := Connect(t, s.remote())
	eventually(t, "psql is gone", func() bool {
		// psql's end does not end its query; its session is what is asked for.
		one[int](t, conn, `SELECT count(pg_cancel_backend(pid))::int FROM pg_stat_activity WHERE application_name = 'cancelled' AND state = 'active'`)
		return one[int](t, conn, `SELECT count(*)::int FROM pg_stat_activity WHERE application_name = 'cancelled'`) == 0
	})
	conn.Close(context.Background())
	leftovers(t, s)
}

// cancelledScript: psql takes the end of its input for the end of the script,
// and in --single-transaction commits. A cancelled run must not look like that.
func cancelledScript(t *testing.T, s Subject) {
	conn := Connect(t, s.remote())
	exec(t, conn, `CREATE TABLE half (n int)`)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- s.remote().Command(ctx, engine.Command{Argv: psql("-1"), Stdin: r})
	}()
	io.WriteString(w, "INSERT INTO half VALUES (1);\nSELECT pg_advisory_lock(4242);\n")
	eventually(t, "the script runs", func() bool {
		return one[int](t, conn, `SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND objid = 4242`) == 1
	})
	cancel()
	w.Close()
	if err := <-done; err == nil {
		t.Error("a cancelled run succeeded")
	}
	eventually(t, "its session ends", func() bool {
		return one[int](t, conn, `SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND objid = 4242`) == 0
	})
	if n := one[int](t, conn, `SELECT count(*)::int FROM half`); n != 0 {
		t.Errorf("half a script was committed")
	}
	// A producer that fails is no end either, and its error is the one told.
	boom := errors.New("the archive is damaged")
	err := s.remote().Command(limit(t), engine.Command{Argv: psql("-1"), Stdin: io.MultiReader(strings.NewReader("INSERT INTO half VALUES (2);\n"), broken{boom})})
	if !errors.Is(err, boom) {
		t.Errorf("%v", err)
	}
	if n := one[int](t, conn, `SELECT count(*)::int FROM half`); n != 0 {
		t.Errorf("half a script was committed")
	}
	exec(t, conn, `DROP TABLE half`)
}

func lines(s string) int {
	return len(strings.Split(strings.TrimRight(s, "\n"), "\n"))
}
