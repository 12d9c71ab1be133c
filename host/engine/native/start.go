package native

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/shared/regular"
	"github.com/odpm/odpm/shared/shell"
)

// LogName is the server's log below .odpm/state.
const LogName = "postgresql.log"

// Start runs the server and waits until it says in postmaster.pid that it
// accepts connections. The server goes on when odpm ends.
func (e *Engine) Start(ctx context.Context) error {
	if s, err := e.Status(ctx); err != nil {
		return err
	} else if s.Running {
		return e.waitReady(ctx, nil)
	}
	facts := e.look()
	switch facts.State {
	case datadir.Initialised:
		if facts.Major != e.o.Major {
			return fmt.Errorf("the data directory %s was written by PostgreSQL %d, but the project wants %d; set postgres_version to %d or choose another POSTGRES_DATA_DIR", e.o.DataDir, facts.Major, e.o.Major, facts.Major)
		}
	case datadir.Missing, datadir.Empty:
		if err := e.initdb(ctx); err != nil {
			return err
		}
	case datadir.Unfinished:
		return errors.New(facts.UnfinishedProblem())
	default:
		return fmt.Errorf("%s cannot be used as a data directory: %s", e.o.DataDir, facts.Reason)
	}
	postgres, err := e.program(ctx, "postgres")
	if err != nil {
		return err
	}
	as, err := e.serverUser()
	if err != nil {
		return err
	}
	if err := e.checkOwner(as); err != nil {
		return err
	}
	if err := e.hasConfiguration(); err != nil {
		return err
	}
	if err := e.leftover(ctx, as); err != nil {
		return err
	}
	sockets, err := e.socketDir(as)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(e.logPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	from, _ := log.Seek(0, 2)
	began := time.Now()

	// A data_directory in a configuration that came along from elsewhere would
	// have the server run on another cluster.
	dir := e.clusterDir()
	cmd := exec.Command(postgres, "-D", dir, "-c", "data_directory="+dir, "-p", strconv.Itoa(e.o.Port), "-k", sockets, "-c", "listen_addresses="+e.o.Bind)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = "/"
	cmd.Env = serverEnv()
	cmd.SysProcAttr = as.attr()
	// Its own session: Ctrl-C at odpm must not stop the database.
	cmd.SysProcAttr.Setsid = true
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if err := e.waitReady(ctx, ended); err != nil {
		if errors.Is(err, errEnded) {
			// Not where it may only be slow: it would not find its directory.
			_ = os.Remove(sockets)
		}
		return fmt.Errorf("%w\n%s", err, e.logSince(as, from, began))
	}
	return nil
}

// checkOwner says before the start, and with the command that helps, what
// PostgreSQL would refuse.
func (e *Reader) checkOwner(as identity) error {
	dir := e.clusterDir()
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	quoted := shell.Quote(dir)
	if uid := int(info.Sys().(*syscall.Stat_t).Uid); uid != as.uid {
		return fmt.Errorf("%s belongs to %s. PostgreSQL would run as %s, and starts only on a directory that its user owns. To continue:\n  sudo chown -R %s: %s", dir, userName(uid), as.name, as.name, quoted)
	}
	if info.Mode().Perm()&0o027 != 0 {
		return fmt.Errorf("%s has the mode %04o, and PostgreSQL starts only on 0700 or 0750. To continue:\n  chmod 700 %s", dir, info.Mode().Perm(), quoted)
	}
	return nil
}

// hasConfiguration: Debian's packages keep it outside of the data directory.
func (e *Reader) hasConfiguration() error {
	dir := e.clusterDir()
	if _, err := os.Stat(filepath.Join(dir, "postgresql.conf")); !errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("%s has no postgresql.conf. Debian's packages keep the configuration of a cluster NAME in /etc/postgresql/%d/NAME. To continue, copy that directory from the machine that the cluster comes from:\n  cp -a /etc/postgresql/%d/NAME/. %s/", dir, e.o.Major, e.o.Major, shell.Quote(dir))
}

var errEnded = errors.New("PostgreSQL ended while starting")

// waitReady polls the pid file; ended tells of a server that gave up.
func (e *Reader) waitReady(ctx context.Context, ended <-chan error) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if pm, err := readPostmaster(e.clusterDir()); err == nil && pm.alive() && pm.ready() {
			return nil
		}
		select {
		case err := <-ended:
			return fmt.Errorf("%w on %s (%v); its last lines:", errEnded, e.o.DataDir, err)
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("PostgreSQL was not ready in time on %s; it may be recovering after a crash. Its last lines:", e.o.DataDir)
			}
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Stop asks for PostgreSQL's fast shutdown (SIGINT) and waits for the end.
func (e *Engine) Stop(ctx context.Context) error {
	pm, err := readPostmaster(e.clusterDir())
	if errors.Is(err, os.ErrNotExist) || err == nil && !pm.alive() {
		return nil
	}
	if err != nil {
		return err
	}
	if err := syscall.Kill(pm.pid, syscall.SIGINT); err != nil {
		return fmt.Errorf("stop PostgreSQL (pid %d): %w", pm.pid, err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for pm.alive() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL (pid %d) has not stopped: %w", pm.pid, ctx.Err())
		case <-tick.C:
		}
	}
	if strings.HasPrefix(pm.socketDir, socketPrefix) {
		// Only if nothing is in it: another server may have it by now.
		_ = os.Remove(pm.socketDir)
	}
	return nil
}

// socketPrefix starts the names of socket directories that odpm makes.
const socketPrefix = "/tmp/odpm-pg-"

// Logs gives the last lines of the server's log.
func (e *Reader) Logs(_ context.Context, n int) (string, error) {
	text, err := tail(e.logPath(), logTail, -1)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return wording.LastLines(text, n), err
}

// logTail is enough for the lines that are shown of a log of any size.
const logTail = 256 << 10

func (e *Reader) logPath() string { return filepath.Join(e.o.StateDir, LogName) }

func (e *Reader) logSince(as identity, from int64, began time.Time) string {
	text, err := since(e.logPath(), from)
	if err != nil {
		return ""
	}
	last := wording.LastLines(text, 10)
	if more := e.collected(as, began); more != "" {
		last += "\n" + more
	}
	return last
}

// since is the end of what a log got after a position.
func since(path string, from int64) (string, error) {
	info, err := os.Lstat(path)
	if err != nil || info.Size() < from {
		return "", err
	}
	return tail(path, min(info.Size()-from, logTail), -1)
}

// collected is what a server that began at some time wrote to a log of its own:
// with logging_collector, which Fedora's packages turn on, stderr only says that
// it goes on elsewhere. current_logfiles names the place; each start makes it
// anew.
func (e *Reader) collected(as identity, began time.Time) string {
	root, err := regular.OpenRoot(e.clusterDir())
	if err != nil {
		return ""
	}
	defer root.Close()
	info, err := root.Lstat("current_logfiles")
	// The file system's clock is a little behind.
	if err != nil || info.ModTime().Before(began.Add(-time.Second)) {
		return ""
	}
	names, err := regular.ReadIn(root, "current_logfiles", pidFileSize)
	if err != nil {
		return ""
	}
	// The first line is stderr's, if the server has one at all.
	first, _, _ := strings.Cut(string(names), "\n")
	_, path, _ := strings.Cut(first, " ")
	if !filepath.IsAbs(path) {
		path = filepath.Join(e.clusterDir(), path)
	}
	last, err := tail(path, 16<<10, as.uid)
	if err != nil || last == "" {
		return ""
	}
	return "and in " + path + ":\n" + wording.LastLines(last, 10)
}

// tail reads the end of a log. One that the data directory names must be the
// server's own: whoever writes there could name any file of this machine. Any
// owner does for uid -1.
func tail(path string, size int64, uid int) (string, error) {
	f, err := regular.OpenNoLink(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); uid >= 0 && (!ok || int(st.Uid) != uid) {
		return "", fmt.Errorf("%s is not the server's", path)
	}
	if over := info.Size() - size; over > 0 {
		if _, err := f.Seek(over, io.SeekStart); err != nil {
			return "", err
		}
	}
	data, err := io.ReadAll(io.LimitReader(f, size))
	return string(data), err
}

// socketDir is short, since a socket's path may have 107 bytes only, and
// belongs to the server's user alone: who can reach it is not asked more
// than pg_hba.conf says.
func (e *Reader) socketDir(as identity) (string, error) {
	sum := sha256.Sum256([]byte(e.clusterDir()))
	dir := socketPrefix + hex.EncodeToString(sum[:6])
	if err := os.Mkdir(dir, 0o700); err == nil {
		if err := os.Lchown(dir, as.uid, as.gid); err != nil && os.Geteuid() == 0 {
			return "", err
		}
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	if st := info.Sys().(*syscall.Stat_t); !info.IsDir() || int(st.Uid) != as.uid || info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s is not a directory of user %s alone; odpm keeps the server's socket there. Find out who created it, then: rm -r %s", dir, as.name, dir)
	}
	return dir, nil
}

// serverEnv keeps the person's PG* variables and locale away from the server;
// its settings come from its own files.
func serverEnv() []string {
	env := []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	for _, k := range []string{"TZ", "LD_LIBRARY_PATH", "TMPDIR"} {
		if v := os.Getenv(k); v != "" {
			env = append(env, k+"="+v)
		}
	}
	return env
}
