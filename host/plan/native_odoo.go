package plan

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/shared/durable"
	"github.com/odpm/odpm/shared/handoff"
)

// upNative proves the login with the checker on this machine, and starts
// ODOO_COMMAND behind it where it is set.
func (s *Session) upNative(ctx context.Context) error {
	w := s.want
	if w.image.problem != nil {
		return w.image.problem
	}
	if len(s.Project.OdooCommand) == 0 {
		if !s.mustProve() && !s.started {
			return nil
		}
		return s.checkNative(ctx)
	}
	p := s.odooProcess()
	if p.runs() && p.id == w.handoff.ID && !s.mustProve() {
		return nil
	}
	if err := p.stop(ctx); err != nil {
		return err
	}
	return s.startNativeOdoo(ctx)
}

// checkerEnv is the connection of this machine: odoo.conf keeps the compose
// name in db_host, which nothing here resolves.
func (s *Session) checkerEnv(ctx context.Context) ([]string, error) {
	addr, err := s.PG.HostAddr(ctx)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not listen on TCP: %q", addr)
	}
	var env []string
	for _, kv := range s.Environ {
		// Nothing of the person's libpq settings decides what is proven.
		if k, _, _ := strings.Cut(kv, "="); strings.HasPrefix(k, "PG") || strings.HasPrefix(k, "ODPM_DB_") || k == handoff.EnvID {
			continue
		}
		env = append(env, kv)
	}
	return append(env, handoff.EnvID+"="+s.want.handoff.ID,
		"ODPM_RUNTIME_DIR="+s.Dirs.Runtime(), "ODPM_DATABASE_DIR="+s.Dirs.Database(),
		"ODPM_DB_HOST="+host, "ODPM_DB_PORT="+port, "ODPM_DB_USER="+s.Project.AppRole, "ODPM_DB_PASSWORD="+s.Project.AppPassword), nil
}

// checkNative runs the checker alone.
func (s *Session) checkNative(ctx context.Context) error {
	env, err := s.checkerEnv(ctx)
	if err != nil {
		return err
	}
	s.Term.Step("proving the login of %s", s.Project.AppRole)
	cmd := exec.CommandContext(ctx, s.want.image.checker, "--check", "--require-baseline")
	cmd.Dir, cmd.Env = s.Project.Dir, env
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return s.checkerFailed(ctx, exit.ExitCode(), string(out))
	}
	return err
}

func (s *Session) checkerFailed(ctx context.Context, code int, out string) error {
	msg := fmt.Sprintf("odpm-checker ended with exit code %d (%s):\n%s", code, exitMeaning(code), strings.TrimSpace(ui.CleanLines(out)))
	if code == 77 || code == 69 {
		if err := s.ProveRole(ctx); err != nil {
			msg += "\n" + err.Error()
		}
	}
	return errors.New(msg)
}

// OdooArgv is ODOO_COMMAND with the connection of this machine.
func (s *Session) OdooArgv(ctx context.Context, more ...string) ([]string, error) {
	argv := slices.Clone(s.Project.OdooCommand)
	addr, err := s.PG.HostAddr(ctx)
	if err != nil {
		return nil, err
	}
	host, port, _ := net.SplitHostPort(addr)
	given := argv
	if len(argv) > 2 && slices.Contains([]string{"sh", "bash", "dash", "ash"}, filepath.Base(argv[0])) && argv[1] == "-c" {
		// The shell's own -c, with its line; Odoo's options follow as "$@".
		given = argv[3:]
	}
	if !slices.ContainsFunc(given, func(a string) bool { return a == "-c" || strings.HasPrefix(a, "--config") }) {
		argv = append(argv, "-c", s.Project.OdooConfPath)
	}
	argv = append(argv, "--db_host", host, "--db_port", port)
	if !slices.ContainsFunc(argv, func(a string) bool { return a == "-D" || strings.HasPrefix(a, "--data-dir") }) {
		argv = append(argv, "--data-dir", s.Project.OdooDataDir)
	}
	return append(argv, more...), nil
}

// OdooEnv is for ODOO_COMMAND and the checker before it. The connection stands
// in it beside the command line: of a script or a shell's line the checker can
// only prove what the environment says. Odoo itself ranks its command line
// higher, and odoo.conf names the same role and password.
func (s *Session) OdooEnv(ctx context.Context) ([]string, error) {
	addr, err := s.PG.HostAddr(ctx)
	if err != nil {
		return nil, err
	}
	host, port, _ := net.SplitHostPort(addr)
	var env []string
	for _, kv := range s.Environ {
		if k, _, _ := strings.Cut(kv, "="); !strings.HasPrefix(k, "PG") && !strings.HasPrefix(k, "ODPM_DB_") {
			env = append(env, kv)
		}
	}
	return append(env, handoff.EnvID+"="+s.want.handoff.ID, "ODPM_RUNTIME_DIR="+s.Dirs.Runtime(), "ODPM_DATABASE_DIR="+s.Dirs.Database(),
		"PGHOST="+host, "PGPORT="+port, "PGUSER="+s.Project.AppRole, "PGPASSWORD="+s.Project.AppPassword), nil
}

// startNativeOdoo starts the checker, which becomes Odoo, as a process that
// goes on when odpm ends.
func (s *Session) startNativeOdoo(ctx context.Context) error {
	argv, err := s.OdooArgv(ctx)
	if err != nil {
		return err
	}
	env, err := s.OdooEnv(ctx)
	if err != nil {
		return err
	}
	path := filepath.Join(s.Dirs.State(), "odoo.log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	from, _ := log.Seek(0, 2)
	cmd := exec.Command(s.want.image.checker, append([]string{"--require-baseline", "--"}, argv...)...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.Project.Dir, env, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	s.Term.Step("starting Odoo (log: %s)", s.Rel(path))
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	note := fmt.Sprintf("%d %s %s\n", cmd.Process.Pid, birth(cmd.Process.Pid), s.want.handoff.ID)
	if err := durable.WriteFile(filepath.Join(s.Dirs.State(), processFile), []byte(note), 0o600); err != nil {
		return err
	}
	before, _ := os.Stat(s.snapshotPath())
	for {
		select {
		case err := <-ended:
			data, _ := os.ReadFile(path)
			code := 0
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				code = exit.ExitCode()
			}
			if int64(len(data)) < from {
				from = 0
			}
			return s.checkerFailed(ctx, code, wording.LastLines(string(data[from:]), 15))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
			if after, err := os.Stat(s.snapshotPath()); err == nil && s.provenNow() && (before == nil || !os.SameFile(before, after)) {
				return nil
			}
		}
	}
}
