package apply

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/shared/handoff"
	"github.com/odpm/odpm/shared/libpq"
)

// upNative proves the login with the checker on this machine, and starts
// ODOO_COMMAND behind it where it is set.
func (s *Run) upNative(ctx context.Context) error {
	if s.Desired.Image.Problem != nil {
		return s.Desired.Image.Problem
	}
	p := s.odooProcess()
	if len(s.Project.OdooCommand) == 0 || p.Runs() && p.ID == s.Desired.Handoff.ID && !p.Outdated(s.Inputs.OdooStart()) && !plan.MustProve(s.World, s.Desired) {
		return s.stillGood(ctx)
	}
	if err := p.stop(ctx); err != nil {
		return err
	}
	return s.startNativeOdoo(ctx)
}

// checkerEnv is the connection of this machine: odoo.conf keeps the compose
// name in db_host, which nothing here resolves.
func (s *Run) checkerEnv(ctx context.Context) ([]string, error) {
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
		// Nothing of the person's libpq settings decides what is proven, but the
		// files of TLS.
		if k, _, _ := strings.Cut(kv, "="); strings.HasPrefix(k, "PG") && !libpq.IsTLSVariable(k) || strings.HasPrefix(k, "ODPM_DB_") || k == handoff.EnvID {
			continue
		}
		env = append(env, kv)
	}
	return append(env, handoff.EnvID+"="+s.Desired.Handoff.ID,
		"ODPM_RUNTIME_DIR="+s.Dirs.Runtime(), "ODPM_DATABASE_DIR="+s.Dirs.Database(),
		"ODPM_DB_HOST="+host, "ODPM_DB_PORT="+port, "ODPM_DB_USER="+s.Project.AppRole, "ODPM_DB_PASSWORD="+s.Project.AppPassword,
		"ODPM_DB_SSLMODE="+s.SSLMode(s.Stack != nil)), nil
}

// proveNative has a checker log in as ODOO_COMMAND does, or, without one, as
// the project says; nothing is started.
func (s *Run) proveNative(ctx context.Context, record bool) error {
	if s.Desired.Image.Problem != nil {
		return s.Desired.Image.Problem
	}
	argv := []string{"--check"}
	env, err := s.checkerEnv(ctx)
	if err == nil && len(s.Project.OdooCommand) > 0 {
		var odoo []string
		if odoo, err = s.OdooArgv(ctx, s.Inputs.Here().Options...); err == nil {
			argv = append(append(argv, "--"), odoo...)
			env, err = s.OdooEnv(ctx)
		}
	}
	if err != nil {
		return err
	}
	s.Term.Step("proving the login of %s", s.Project.AppRole)
	cctx, cancel := context.WithTimeout(ctx, patience(s.Project.Env["ODPM_TIMEOUT"]))
	defer cancel()
	cmd := exec.CommandContext(cctx, s.Desired.Image.Checker, argv...)
	cmd.Dir, cmd.Env = s.Project.Dir, append(env, recording(record)...)
	out := wording.Tail{Max: 16 << 10}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &out, time.Second
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit):
		return s.checkFailed(ctx, "odpm-checker", exit.ExitCode(), out.String())
	case err == nil && record && !s.recorded():
		return s.recordedElsewhere("odpm-checker")
	}
	return err
}

// OdooArgv is ODOO_COMMAND with the connection of this machine.
func (s *Run) OdooArgv(ctx context.Context, more ...string) ([]string, error) {
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

// OdooEnv is for ODOO_COMMAND and the checker before it. The connection is
// in it beside the command line: of a script or a shell's line the checker can
// only prove what the environment says. Odoo itself ranks its command line
// higher, and odoo.conf names the same role and password.
func (s *Run) OdooEnv(ctx context.Context) ([]string, error) {
	addr, err := s.PG.HostAddr(ctx)
	if err != nil {
		return nil, err
	}
	host, port, _ := net.SplitHostPort(addr)
	var env []string
	for _, kv := range s.Environ {
		if k, _, _ := strings.Cut(kv, "="); libpq.IsTLSVariable(k) || !strings.HasPrefix(k, "PG") && !strings.HasPrefix(k, "ODPM_DB_") {
			env = append(env, kv)
		}
	}
	return append(env, handoff.EnvID+"="+s.Desired.Handoff.ID, "ODPM_RUNTIME_DIR="+s.Dirs.Runtime(), "ODPM_DATABASE_DIR="+s.Dirs.Database(),
		"PGHOST="+host, "PGPORT="+port, "PGUSER="+s.Project.AppRole, "PGPASSWORD="+s.Project.AppPassword,
		// For scripts, and for Odoo from 19 on, which ranks it above odoo.conf.
		"PGSSLMODE="+s.SSLMode(s.Stack != nil)), nil
}
