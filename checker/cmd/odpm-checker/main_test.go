package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/odpm/odpm/test/localpg"
	"github.com/odpm/odpm/test/programs"
)

// The tests run the binary as it is shipped: built with the Dockerfile's
// flags, against a real PostgreSQL, in front of real programs.
var (
	binary string // the built odpm-checker
	binDir string // PATH of every run: odpm-checker and odoo
)

// appRole is the role that may log in, with its password.
const (
	appRole     = "odoo"
	appPassword = `o'd\o $pw`
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "checker")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		binDir, binary = dir, filepath.Join(dir, "odpm-checker")
		if err := programs.Build(dir, []string{"-trimpath", "-ldflags", "-s -w -X github.com/odpm/odpm/shared/version.Number=9.8.7"}, programs.Checker); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if err := os.WriteFile(filepath.Join(dir, "odoo"), []byte(fakeOdoo), 0o755); err != nil {
			panic(err)
		}
		code := m.Run()
		removeServers()
		return code
	}())
}

// fakeOdoo stands where Odoo would: it says who it is and what it was given.
const fakeOdoo = `#!/bin/sh
echo "odoo pid=$$"
for a in "$@"; do echo "arg=$a"; done
[ -n "$ODOO_EXIT" ] && exit "$ODOO_EXIT"
exit 0
`

var servers struct {
	sync.Mutex
	all    []*localpg.Cluster
	shared *localpg.Cluster
}

func removeServers() {
	servers.Lock()
	defer servers.Unlock()
	for _, c := range servers.all {
		c.Remove()
	}
}

// newServer makes a cluster that is not started. hba replaces pg_hba.conf's
// lines for TCP; nil is a password for everybody.
func newServer(t *testing.T, hba []string, conf ...string) *localpg.Cluster {
	t.Helper()
	programs.Tested(t)
	bin, err := localpg.Bin("15")
	if err != nil {
		t.Fatal(err)
	}
	c, err := localpg.New("", bin, conf...)
	if err != nil {
		t.Fatal(err)
	}
	servers.Lock()
	servers.all = append(servers.all, c)
	servers.Unlock()
	if hba != nil {
		lines := append([]string{"host all postgres 127.0.0.1/32 scram-sha-256"}, hba...)
		if err := os.WriteFile(filepath.Join(c.Dir, "pg_hba.conf"), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// startServer makes and starts one, with the application role in it.
func startServer(t *testing.T, hba []string, conf ...string) *localpg.Cluster {
	t.Helper()
	c := newServer(t, hba, conf...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	makeRole(t, c)
	return c
}

func makeRole(t *testing.T, c *localpg.Cluster) {
	t.Helper()
	sql(t, c, "CREATE ROLE "+appRole+" LOGIN CREATEDB PASSWORD '"+strings.ReplaceAll(appPassword, "'", "''")+"'")
}

// server is the one that tests share which do not disturb each other.
func server(t *testing.T) *localpg.Cluster {
	t.Helper()
	servers.Lock()
	c := servers.shared
	servers.Unlock()
	if c != nil {
		return c
	}
	c = startServer(t, nil, "log_connections = on")
	servers.Lock()
	servers.shared = c
	servers.Unlock()
	return c
}

func sql(t *testing.T, c *localpg.Cluster, statements ...string) string {
	t.Helper()
	out, err := c.SQL("postgres", statements...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// invocation is one run of the checker.
type invocation struct {
	env  []string
	args []string
	dir  string
}

type result struct {
	code           int
	stdout, stderr string
	took           time.Duration
}

// prepare makes the command, with an environment of its own: PATH, HOME and
// what the test says.
func (i invocation) prepare(t *testing.T, ctx context.Context) (cmd *exec.Cmd, out, errs *spoken) {
	t.Helper()
	programs.Tested(t)
	cmd = exec.CommandContext(ctx, binary, i.args...)
	cmd.Env = append([]string{"PATH=" + binDir + ":/usr/bin:/bin", "HOME=" + t.TempDir()}, i.env...)
	cmd.Dir = i.dir
	out, errs = new(spoken), new(spoken)
	cmd.Stdout, cmd.Stderr = out, errs
	return cmd, out, errs
}

// spoken is what a program has said so far.
type spoken struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *spoken) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *spoken) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// says waits until a checker of prepare has said something to stderr.
func says(t *testing.T, cmd *exec.Cmd, text string) {
	t.Helper()
	errs := cmd.Stderr.(*spoken)
	for end := time.Now().Add(time.Minute); !strings.Contains(errs.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not say %q:\n%s", text, errs)
		}
	}
}

// patience is a --timeout: short where the login cannot be proven, and longer than a
// busy machine takes where it is.
func patience(code int) string {
	if code == 69 {
		return "300ms"
	}
	return "30s"
}

// soon is how long a busy machine may take for what happens at once, and less
// than anything that the checker waits for.
const soon = 20 * time.Second

func (i invocation) run(t *testing.T) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	cmd, out, errs := i.prepare(t, ctx)
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	validLog(t, errs.String())
	return result{exitCode(t, err), out.String(), errs.String(), took}
}

func exitCode(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	t.Fatal(err)
	return -1
}

// want checks the code and that every part stands in what was written.
func (r result) want(t *testing.T, code int, parts ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d\n%s%s", r.code, code, r.stdout, r.stderr)
		return
	}
	for _, p := range parts {
		if !strings.Contains(r.stdout+r.stderr, p) {
			t.Errorf("%q is missing in\n%s%s", p, r.stdout, r.stderr)
		}
	}
}

// connection is the environment that reaches c as the application role.
func connection(c *localpg.Cluster) []string {
	return []string{"PGHOST=127.0.0.1", "PGPORT=" + strconv.Itoa(c.Port), "PGUSER=" + appRole, "PGPASSWORD=" + appPassword}
}

func with(env []string, more ...string) []string {
	return append(append([]string(nil), env...), more...)
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
