package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/wording"
)

// libpq's variables that a container's environment may carry for purposes of
// its own; none of them may decide where our programs go and who they are.
var libpqEnv = []string{
	"PGUSER", "PGPASSWORD", "PGDATABASE", "PGHOSTADDR", "PGSERVICE", "PGSERVICEFILE", "PGOPTIONS", "PGAPPNAME",
	"PGSSLMODE", "PGSSLCERT", "PGSSLKEY", "PGSSLROOTCERT", "PGREQUIREAUTH", "PGCHANNELBINDING", "PGTARGETSESSIONATTRS",
	"PGCONNECT_TIMEOUT", "PGCLIENTENCODING", "PGTZ", "PGDATESTYLE", "PGGEQO", "PSQLRC", "PSQL_HISTORY",
}

// Command runs a client program of the server's own image as the server's
// user. When ctx ends, the program in the container is ended first and the
// docker client after it: psql would take the end of its input for the end of
// the script and commit.
func (e *Engine) Command(ctx context.Context, c engine.Command) error {
	if len(c.Argv) == 0 {
		return errors.New("docker: no program is named")
	}
	ct, err := e.running(ctx)
	if err != nil {
		return err
	}
	args := []string{"exec", "-i", "--user", ct.osUser()}
	given := map[string]bool{}
	for _, kv := range c.Env {
		name, _, _ := strings.Cut(kv, "=")
		given[name] = true
		// By name: the value travels in the client's environment.
		args = append(args, "-e", name)
	}
	args = append(args, ct.ID, "sh", "-c", clientProgram+programEnv(given)+`exec "$@"`, "sh")
	args = append(args, c.Argv...)

	ctx, in := engine.NewInput(ctx, c.Stdin)
	defer in.Release()
	run := &program{marker: make(chan string, 1)}
	cmd := e.cl.command(ctx, args...)
	cmd.Env = append(cmd.Env, c.Env...)
	cmd.Stdin = in.Reader()
	var both sync.Mutex
	if f, ok := c.Stdout.(*os.File); ok {
		cmd.Stdout = f
	} else if c.Stdout != nil {
		cmd.Stdout = &locked{&both, c.Stdout}
	}
	errs := &wording.Tail{Max: 64 << 10}
	run.to = errs
	if c.Stderr != nil {
		run.to = &locked{&both, c.Stderr}
	}
	cmd.Stderr = run
	cmd.Cancel = func() error {
		defer in.Release()
		e.endProgram(ctx, ct, run)
		return cmd.Process.Kill()
	}
	// A reader or writer of the caller's that hangs must not hang us for ever;
	// slow ones get their time.
	cmd.WaitDelay = time.Minute
	err = cmd.Run()
	if err != nil && in.Err() != nil {
		return fmt.Errorf("%s: %w", c.Argv[0], in.Err())
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if !run.started() {
		// Not the program's code: docker itself did not get so far.
		return failure(ctx, []string{"exec"}, err, run.held.String()+errs.String())
	}
	return &engine.ExitError{Program: c.Argv[0], Code: exit.ExitCode(), Stderr: strings.TrimSpace(wording.LastLines(errs.String(), 10))}
}

// programEnv is the shell text that sets a client program's environment, as
// far as the caller does not.
func programEnv(given map[string]bool) string {
	var b strings.Builder
	for _, name := range libpqEnv {
		if !given[name] {
			b.WriteString("unset " + name + "\n")
		}
	}
	for _, kv := range []string{`PGHOST="$sock"`, `PGPORT="$port"`, "PGPASSFILE=/nonexistent/pgpass", "HOME=/", "LC_ALL=C"} {
		if name, _, _ := strings.Cut(kv, "="); !given[name] {
			b.WriteString("export " + kv + "\n")
		}
	}
	return b.String()
}

// endProgram ends what runs in the container, with a time of its own.
func (e *Reader) endProgram(ctx context.Context, ct *container, run *program) {
	ctx, cancel := detached(ctx, 20*time.Second)
	defer cancel()
	select {
	case pid := <-run.marker:
		run.marker <- pid
		e.cl.output(ctx, "exec", "--user", ct.osUser(), ct.ID, "sh", "-c", endProgram, "sh", pid)
	case <-time.After(5 * time.Second):
		// It never started.
	}
}

// heldSize is more than docker says before a program starts.
const heldSize = 64 << 10

// program takes a client program's stderr and keeps the first line, our
// marker, to itself.
type program struct {
	mu     sync.Mutex
	held   bytes.Buffer
	seen   bool
	marker chan string
	to     io.Writer
}

func (p *program) started() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen
}

func (p *program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen {
		return p.to.Write(b)
	}
	if p.held.Len() < heldSize {
		p.held.Write(b)
	}
	line, rest, ok := strings.Cut(p.held.String(), "\n")
	if !ok {
		return len(b), nil
	}
	pid, ours := strings.CutPrefix(strings.TrimSpace(line), "odpm-pid ")
	if !ours {
		// docker's own words; keep on holding.
		return len(b), nil
	}
	p.seen = true
	p.marker <- pid
	if rest != "" {
		if _, err := io.WriteString(p.to, rest); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}
