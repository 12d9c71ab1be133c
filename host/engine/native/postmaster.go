package native

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// postmaster is postmaster.pid: pid, data directory, start time, port, socket
// directory, listen address, shared memory key, status (since PostgreSQL 10;
// src/include/utils/pidfile.h).
type postmaster struct {
	pid       int
	dataDir   string
	port      int
	socketDir string
	listen    string
	status    string
}

func readPostmaster(clusterDir string) (*postmaster, error) {
	data, err := os.ReadFile(filepath.Join(clusterDir, "postmaster.pid"))
	if err != nil {
		return nil, err
	}
	lines := strings.Split(string(data), "\n")
	at := func(i int) string {
		if i < len(lines) {
			return strings.TrimSpace(lines[i])
		}
		return ""
	}
	pid, err := strconv.Atoi(at(0))
	if err != nil {
		return nil, fmt.Errorf("%s/postmaster.pid holds %q where a pid belongs", clusterDir, at(0))
	}
	// A single-user backend writes its pid negated.
	if pid < 0 {
		pid = -pid
	}
	pm := &postmaster{pid: pid, dataDir: at(1), socketDir: at(4), listen: at(5), status: at(7)}
	pm.port, _ = strconv.Atoi(at(3))
	return pm, nil
}

// alive: the pid lives and is a postgres. A pid file survives kill -9 and a
// restart of the machine, and its number may belong to anybody by then.
func (p *postmaster) alive() bool {
	if err := syscall.Kill(p.pid, 0); err != nil && err != syscall.EPERM {
		return false
	}
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.pid))
	if err != nil {
		// No /proc (macOS): the pid alone has to do.
		_, statErr := os.Stat("/proc/self")
		return statErr != nil
	}
	name := strings.TrimSpace(string(comm))
	if !strings.HasPrefix(name, "postgres") && !strings.HasPrefix(name, "postmaster") {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return false
	}
	// A zombie has ended; its parent has just not asked yet.
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func (p *postmaster) ready() bool { return p.status == "ready" || p.status == "standby" }
