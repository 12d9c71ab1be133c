package native

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// ServersOn gives the pids of PostgreSQL servers that this machine runs on a
// cluster's directory, as far as this user may see them: by postmaster.pid,
// and, since that names a pid of the server's own namespace only, by looking
// which process named postgres has the directory as its current one, as every
// server does.
func ServersOn(clusterDir string) []int {
	want, err := os.Stat(clusterDir)
	if err != nil {
		return nil
	}
	var out []int
	if pm, err := readPostmaster(clusterDir); err == nil && pm.alive() {
		out = append(out, pm.pid)
	}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || len(out) > 0 && out[0] == pid {
			continue
		}
		dir := filepath.Join("/proc", e.Name())
		comm, err := os.ReadFile(filepath.Join(dir, "comm"))
		if name := strings.TrimSpace(string(comm)); err != nil || name != "postgres" && name != "postmaster" {
			continue
		}
		if here, err := os.Stat(filepath.Join(dir, "cwd")); err != nil || !os.SameFile(here, want) {
			continue
		}
		// A backend has the postmaster as its parent; the postmaster is meant.
		if parent, ok := parentOf(dir); ok && isPostgresOn(parent, want) {
			continue
		}
		if _, err := os.Stat(dir); err != nil {
			continue // a backend that has ended since: its parent is not known any more
		}
		out = append(out, pid)
	}
	return out
}

// worksElsewhere: a stale pid file may name a server of another directory.
func worksElsewhere(pid int, want os.FileInfo) bool {
	here, err := os.Stat("/proc/" + strconv.Itoa(pid) + "/cwd")
	return err == nil && !os.SameFile(here, want)
}

func isPostgresOn(pid int, want os.FileInfo) bool {
	dir := "/proc/" + strconv.Itoa(pid)
	comm, err := os.ReadFile(dir + "/comm")
	if err != nil || !strings.HasPrefix(string(comm), "post") {
		return false
	}
	here, err := os.Stat(dir + "/cwd")
	return err == nil && os.SameFile(here, want)
}

func parentOf(procDir string) (int, bool) {
	stat, err := os.ReadFile(filepath.Join(procDir, "stat"))
	if err != nil {
		return 0, false
	}
	_, rest, ok := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 2 {
		return 0, false
	}
	n, err := strconv.Atoi(fields[1])
	return n, err == nil && syscall.Getpid() != n
}
