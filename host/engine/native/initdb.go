package native

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/odpm/odpm/host/wording"
)

// initdb makes a new cluster as the official image would: superuser postgres
// with a password, UTF8, SCRAM over TCP. Over the socket the server's own
// operating-system user may be postgres and the application role; nobody else.
func (e *Engine) initdb(ctx context.Context) error {
	program, err := e.program(ctx, "initdb")
	if err != nil {
		return err
	}
	as, err := e.serverUser()
	if err != nil {
		return err
	}
	dir := e.clusterDir()
	if err := e.makeDir(dir, as); err != nil {
		return err
	}
	password := ""
	if e.o.Password != nil {
		if password, err = e.o.Password(); err != nil {
			return err
		}
	}
	args := []string{"-D", dir, "-U", "postgres", "-E", "UTF8", "--locale=C", "--auth-host=scram-sha-256", "--auth-local=peer"}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = "/", serverEnv(), as.attr()
	if password != "" {
		// A pipe, so that the password is in no file but our own and in no
		// process's arguments.
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		defer r.Close()
		if _, err := w.WriteString(password + "\n"); err != nil {
			return err
		}
		w.Close()
		if os.Geteuid() == 0 {
			// initdb opens it by name, as the server's user.
			if err := r.Chown(as.uid, as.gid); err != nil {
				return err
			}
		}
		cmd.ExtraFiles = []*os.File{r}
		cmd.Args = append(cmd.Args, "--pwfile=/dev/fd/3")
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("initdb in %s: %w\n%s", dir, err, wording.LastLines(out.String(), 10))
	}
	return e.socketRules(dir, as)
}

// socketRules lets the server's operating-system user be two roles by peer.
func (e *Engine) socketRules(dir string, as identity) error {
	hba, ident := filepath.Join(dir, "pg_hba.conf"), filepath.Join(dir, "pg_ident.conf")
	data, err := os.ReadFile(hba)
	if err != nil {
		return err
	}
	lines := strings.Split(string(data), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, "local") && strings.HasSuffix(strings.TrimSpace(l), "peer") {
			lines[i] = strings.TrimSpace(l) + " map=odpm"
		}
	}
	if err := rewrite(hba, strings.Join(lines, "\n")); err != nil {
		return err
	}
	quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	text := "# odpm: the server's own user may use the socket as these roles\nodpm " + quote(as.name) + " postgres\n"
	if e.o.AppRole != "" && e.o.AppRole != "postgres" {
		text += "odpm " + quote(as.name) + " " + quote(e.o.AppRole) + "\n"
	}
	return rewrite(ident, text)
}

// rewrite keeps owner and mode.
func rewrite(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

// makeDir makes the cluster's directory 0700 for the server's user; parents
// that odpm has to make stay passable, or the server could not get in.
func (e *Engine) makeDir(dir string, as identity) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return err
	}
	if os.Geteuid() != 0 {
		return nil
	}
	if err := os.Chown(dir, as.uid, as.gid); err != nil {
		return err
	}
	for p := filepath.Dir(dir); p != "/"; p = filepath.Dir(p) {
		info, err := os.Stat(p)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o001 == 0 && info.Mode().Perm()&0o700 != 0 {
			return fmt.Errorf("user %s, who runs PostgreSQL, cannot pass through %s (%s); move the project, or run odpm as a user other than root", as.name, p, info.Mode().Perm())
		}
	}
	return nil
}
