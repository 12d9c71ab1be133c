package native

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/shared/shell"
)

// Command runs a client program as the server's user against its socket.
func (e *Engine) Command(ctx context.Context, c engine.Command) error {
	pm, err := e.running()
	if err != nil {
		return err
	}
	path, err := e.client(ctx, c.Argv[0])
	if err != nil {
		return err
	}
	as, err := e.serverUser()
	if err != nil {
		return err
	}
	return engine.RunProgram(ctx, path, c, func(cmd *exec.Cmd) {
		cmd.Dir, cmd.SysProcAttr = "/", as.attr()
		cmd.Env = append(serverEnv(), "PGHOST="+pm.socketDir, "PGPORT="+strconv.Itoa(pm.port), "PGPASSFILE=/nonexistent/pgpass", "HOME=/")
		cmd.Env = append(cmd.Env, c.Env...)
	})
}

// Psql goes to the server's own socket as the server's operating-system user:
// over TCP pg_hba.conf may let nobody in, and a password would be wanted.
func (e *Reader) Psql(ctx context.Context, role string) string {
	program := "psql"
	if _, err := exec.LookPath(program); err != nil {
		if path, err := e.client(ctx, program); err == nil {
			program = shell.Quote(path)
		}
	}
	line := program + " -U " + shell.Quote(role)
	if pm, err := e.running(); err == nil && pm.socketDir != "" {
		line = program + " -h " + shell.Quote(pm.socketDir) + " -p " + strconv.Itoa(pm.port) + " -U " + shell.Quote(role)
	}
	prefix, _ := e.AsServer(ctx)
	return prefix + line
}

// AsServer is empty where odpm runs as the server's user already.
func (e *Reader) AsServer(context.Context) (string, bool) {
	as, err := e.serverUser()
	switch {
	case err != nil:
		return "", false
	case as.uid == os.Geteuid():
		return "", true
	case runtime.GOOS == "linux" && as.name != strconv.Itoa(as.uid):
		return "runuser -u " + shell.Quote(as.name) + " -- ", true
	case runtime.GOOS == "linux":
		return fmt.Sprintf("setpriv --reuid=%d --regid=%d --clear-groups ", as.uid, as.gid), true
	}
	return "sudo -u " + shell.Quote(as.name) + " ", true
}

// SingleUser runs SQL on the stopped directory as its owner. Without
// exit_on_error an SQL error ends with exit code 0 (measured, 12–18).
func (e *Engine) SingleUser(ctx context.Context, script string) (string, error) {
	if s, err := e.Status(ctx); err != nil {
		return "", err
	} else if s.Running {
		return "", fmt.Errorf("single-user mode needs PostgreSQL stopped, and %s runs on %s", s.ID, e.o.DataDir)
	}
	postgres, err := e.program(ctx, "postgres")
	if err != nil {
		return "", err
	}
	as, err := e.serverUser()
	if err != nil {
		return "", err
	}
	dir := e.clusterDir()
	cmd := exec.CommandContext(ctx, postgres, "--single", "-D", dir, "-c", "data_directory="+dir, "-c", "exit_on_error=on", "-c", "lc_messages=C", "postgres")
	cmd.Dir, cmd.Env, cmd.SysProcAttr = "/", serverEnv(), as.attr()
	cmd.Stdin = strings.NewReader(script)
	errs := &wording.Tail{Max: 1 << 20}
	cmd.Stderr = errs
	runErr := cmd.Run()
	if runErr != nil {
		return errs.String(), fmt.Errorf("postgres --single: %w\n%s", runErr, wording.LastLines(errs.String(), 10))
	}
	for _, l := range strings.Split(errs.String(), "\n") {
		if strings.Contains(l, "ERROR:") || strings.Contains(l, "FATAL:") || strings.Contains(l, "PANIC:") {
			return errs.String(), fmt.Errorf("postgres --single: %s", strings.TrimSpace(l))
		}
	}
	return errs.String(), nil
}
