package native

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/shared/regular"
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
	mark, err := e.markInit(ctx, dir)
	if err != nil {
		return err
	}
	defer mark.Close()
	password := ""
	if e.o.Password != nil {
		if password, err = e.o.Password(); err != nil {
			return err
		}
	}
	args := []string{"-D", dir, "-U", "postgres", "-E", "UTF8", "--locale=C", "--auth-host=scram-sha-256", "--auth-local=peer"}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = "/", serverEnv(), as.attr()
	// A Ctrl-C at the terminal is odpm's to pass on: at SIGTERM initdb removes
	// what it has made, which a kill leaves there.
	cmd.SysProcAttr.Setpgid = true
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	cmd.ExtraFiles = []*os.File{mark}
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
		cmd.ExtraFiles = append(cmd.ExtraFiles, r)
		cmd.Args = append(cmd.Args, "--pwfile=/dev/fd/4")
	}
	out := &wording.Tail{Max: 64 << 10}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("initdb in %s: %w", dir, ctx.Err())
		}
		return fmt.Errorf("initdb in %s: %w\n%s", dir, err, wording.LastLines(out.String(), 10))
	}
	if err := e.socketRules(dir, as); err != nil {
		return err
	}
	return os.Remove(e.markPath())
}

// socketRules lets the server's operating-system user be two roles by peer, and
// any other role in with its password.
func (e *Reader) socketRules(dir string, as identity) error {
	// Root writes here into files of the server's user, who may replace them:
	// everything is done below the directory that was made, and no link followed.
	root, err := regular.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	data, err := regular.ReadIn(root, "pg_hba.conf", 1<<20)
	if err != nil {
		return err
	}
	quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	roles := []string{"postgres"}
	if e.o.AppRole != "" && e.o.AppRole != "postgres" {
		roles = append(roles, e.o.AppRole)
	}
	var lines []string
	for _, l := range strings.Split(string(data), "\n") {
		f := strings.Fields(l)
		if len(f) != 4 || f[0] != "local" || f[3] != "peer" {
			lines = append(lines, l)
			continue
		}
		for _, role := range roles {
			lines = append(lines, strings.Join([]string{"local", f[1], quote(role), "peer map=odpm"}, "\t"))
		}
		// The role that an archive is loaded as has a password of its own.
		lines = append(lines, strings.Join([]string{"local", f[1], f[2], "scram-sha-256"}, "\t"))
	}
	if err := rewrite(root, "pg_hba.conf", strings.Join(lines, "\n"), as); err != nil {
		return err
	}
	text := "# odpm: the server's own user may use the socket as these roles\n"
	for _, role := range roles {
		text += "odpm " + quote(as.name) + " " + quote(role) + "\n"
	}
	return rewrite(root, "pg_ident.conf", text, as)
}

// rewrite keeps owner and mode. What initdb has made is a regular file of one
// name that belongs to the server's user.
func rewrite(root *os.Root, name, text string, as identity) error {
	f, err := root.OpenFile(name, os.O_WRONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !info.Mode().IsRegular() || ok && (st.Nlink != 1 || int(st.Uid) != as.uid) {
		return fmt.Errorf("%s is not as initdb made it; another process is writing in this directory", filepath.Join(root.Name(), name))
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	return f.Close()
}

// makeDir makes the cluster's directory 0700 for the server's user; parents
// that odpm has to make stay passable, or the server could not get in. Below
// the path that the person names a container may have written, when it was an
// image's before: no link leads out of it.
func (e *Reader) makeDir(dir string, as identity) error {
	rel, err := filepath.Rel(e.o.DataDir, dir)
	if err != nil {
		return err
	}
	if rel == "." {
		if err = os.MkdirAll(filepath.Dir(dir), 0o755); err == nil {
			err = os.Mkdir(dir, 0o700)
		}
	} else {
		err = os.MkdirAll(e.o.DataDir, 0o755)
	}
	if err != nil && !os.IsExist(err) {
		return err
	}
	root, err := regular.OpenRoot(e.o.DataDir)
	if err != nil {
		return err
	}
	defer root.Close()
	if rel != "." {
		if err := root.MkdirAll(filepath.Dir(rel), 0o755); err != nil {
			return err
		}
		if err := root.Mkdir(rel, 0o700); err != nil && !os.IsExist(err) {
			return err
		}
	}
	made, err := root.Open(rel)
	if err != nil {
		return err
	}
	defer made.Close()
	if os.Geteuid() != 0 {
		return nil
	}
	if err := made.Chown(as.uid, as.gid); err != nil {
		return err
	}
	for p := filepath.Dir(dir); p != "/"; p = filepath.Dir(p) {
		info, err := os.Stat(p)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o001 == 0 && info.Mode().Perm()&0o700 != 0 {
			return fmt.Errorf("user %s, which runs PostgreSQL, cannot enter %s (%s); move the project, or run odpm as a user other than root", as.name, p, info.Mode().Perm())
		}
	}
	return nil
}
