package native

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/odpm/odpm/host/datadir"

	"github.com/odpm/odpm/host/process"
)

// postmaster is postmaster.pid: pid, data directory, start time, port, socket
// directory, listen address, shared memory key, status (since PostgreSQL 10;
// src/include/utils/pidfile.h).
type postmaster struct {
	pid int
	// single is a session of postgres --single, not a server.
	single bool
	// clusterDir is where the file lies, which need not be where it was written.
	clusterDir string
	dataDir    string
	port       int
	socketDir  string
	listen     string
	status     string
}

// pidFileSize is far more than its eight lines have.
const pidFileSize = 64 << 10

func readPostmaster(clusterDir string) (*postmaster, error) {
	data, err := datadir.ReadFile(clusterDir, "postmaster.pid", pidFileSize)
	if err != nil {
		return nil, err
	}
	if len(bytes.Trim(data, "\x00")) == 0 {
		return &postmaster{clusterDir: clusterDir}, nil
	}
	lines := strings.Split(string(data), "\n")
	at := func(i int) string {
		if i < len(lines) {
			return strings.TrimSpace(lines[i])
		}
		return ""
	}
	pid, err := strconv.Atoi(at(0))
	if err != nil || pid == 0 {
		return nil, fmt.Errorf("%s/postmaster.pid contains %q where a pid should be", clusterDir, at(0))
	}
	pm := &postmaster{pid: pid, clusterDir: clusterDir, dataDir: at(1), socketDir: at(4), listen: at(5), status: at(7)}
	if pid < 0 {
		// A single-user backend writes its pid negated, and beside it the port
		// that a server would have.
		pm.pid, pm.single = -pid, true
	}
	pm.port, _ = strconv.Atoi(at(3))
	return pm, nil
}

// empty: a power cut took the content of a file that had its name already, or
// the one who makes it has not written yet, which takes no time. PostgreSQL starts
// beside no such file.
func (p *postmaster) empty() bool { return p.pid == 0 }

// alive: the pid lives and is a postgres on this directory. A pid file survives
// kill -9 and a restart of the machine, and its number may belong to anybody by
// then, to another cluster's server too.
func (p *postmaster) alive() bool {
	if p.empty() || !process.Lives(p.pid) {
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
	if want, err := os.Stat(p.clusterDir); err == nil && worksElsewhere(p.pid, want) {
		return false
	}
	return !zombie(p.pid)
}

// zombie: it has ended; its parent has just not asked yet.
func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(rest, "Z")
}

func (p *postmaster) ready() bool { return p.status == "ready" || p.status == "standby" }
