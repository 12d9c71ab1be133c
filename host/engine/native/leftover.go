package native

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/odpm/odpm/host/process"
	"github.com/odpm/odpm/shared/shell"
)

// leftoverWait is how long what a killed server leaves behind may take to go:
// its backends notice within moments, and so does whoever reaps it.
const leftoverWait = 5 * time.Second

// leftover is about a postmaster.pid without its server. PostgreSQL takes such
// a file over, unless a process of the same user has the pid by now, whatever
// program that is; then it only says that another postmaster may be running.
// The file must stay while backends of the dead server live: it is how
// PostgreSQL finds the shared memory that they write to.
func (e *Engine) leftover(ctx context.Context, as identity) error {
	dir := e.clusterDir()
	for end := time.Now().Add(leftoverWait); ; {
		pm, err := readPostmaster(dir)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if pm.single && pm.alive() {
			return fmt.Errorf("a single-user session (postgres --single, pid %d) is using %s; end it: kill -TERM %d", pm.pid, dir, pm.pid)
		}
		backends := ServersOn(dir)
		if len(backends) == 0 && !pm.empty() && !belongsTo(pm.pid, as.uid) {
			return nil
		}
		if time.Now().After(end) {
			if len(backends) == 0 && pm.empty() {
				return pm.removeEmpty()
			}
			return pm.inTheWay(backends)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// removeEmpty takes away what PostgreSQL would stumble over for good: nobody works
// in the directory, and nobody has written into the file for a while.
func (p *postmaster) removeEmpty() error {
	root, err := os.OpenRoot(p.clusterDir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.Remove("postmaster.pid"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("an empty postmaster.pid, left by a power cut: %w", err)
	}
	return nil
}

func (p *postmaster) inTheWay(backends []int) error {
	if len(backends) > 0 {
		pids := make([]string, len(backends))
		for i, pid := range backends {
			pids[i] = strconv.Itoa(pid)
		}
		all := strings.Join(pids, " ")
		return fmt.Errorf("processes of a server that was killed are still working on %s (pid %s), and PostgreSQL does not start until they end. To continue:\n  kill -TERM %s", p.clusterDir, all, all)
	}
	now := "an ended process that its parent has not reaped"
	if !zombie(p.pid) {
		comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.pid))
		now = fmt.Sprintf("%q, which is no server on this directory", strings.TrimSpace(string(comm)))
	}
	path := filepath.Join(p.clusterDir, "postmaster.pid")
	return fmt.Errorf("%s is left over from a server that was killed. Its pid %d is now %s, and PostgreSQL does not start while a process of its own user has that number. To continue:\n  rm %s",
		path, p.pid, now, shell.Quote(path))
}

// belongsTo tells whether pid is a living process of uid, the processes that
// PostgreSQL minds.
func belongsTo(pid, uid int) bool {
	if !process.Lives(pid) {
		return false
	}
	info, err := os.Stat("/proc/" + strconv.Itoa(pid))
	if err != nil {
		// No /proc (macOS): it may be this user's.
		return os.Geteuid() == uid
	}
	return int(info.Sys().(*syscall.Stat_t).Uid) == uid
}
