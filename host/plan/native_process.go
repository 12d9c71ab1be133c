package plan

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/odpm/odpm/host/process"
)

// odooProc is the Odoo that ODOO_COMMAND started, remembered by its pid and
// the kernel's start time, so that a pid that was given anew is not mistaken.
type odooProc struct {
	pid   int
	birth string
	id    string
}

const processFile = "odoo.pid"

func (s *Session) odooProcess() odooProc {
	line, err := s.Dirs.Remembered(processFile)
	f := strings.Fields(line)
	if err != nil || len(f) != 3 {
		return odooProc{}
	}
	pid, _ := strconv.Atoi(f[0])
	return odooProc{pid, f[1], f[2]}
}

func (p odooProc) runs() bool {
	return p.pid > 1 && process.Lives(p.pid) && birth(p.pid) == p.birth
}

// birth is the process's start time in clock ticks (proc(5), field 22); "-"
// where the system does not tell.
func birth(pid int) string {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "-"
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	f := strings.Fields(rest)
	if len(f) < 20 || f[0] == "Z" {
		return "ended"
	}
	return f[19]
}

func (p odooProc) stop(ctx context.Context) error {
	if !p.runs() {
		return nil
	}
	if err := syscall.Kill(p.pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop Odoo (pid %d): %w", p.pid, err)
	}
	for end := time.Now().Add(30 * time.Second); p.runs(); {
		if time.Now().After(end) {
			return fmt.Errorf("Odoo (pid %d) did not stop within 30 s; look at it, then: kill %d", p.pid, p.pid)
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// program is the first word of a process's command line, "" where the system
// does not tell.
func program(pid int) string {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return ""
	}
	word, _, _ := strings.Cut(string(data), "\x00")
	return word
}
