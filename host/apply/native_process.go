package apply

import (
	"context"
	"fmt"
	"github.com/odpm/odpm/host/world"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is the Odoo that ODOO_COMMAND started.
type process struct{ world.OdooProcess }

func (s *Run) odooProcess() process { return process{world.RememberedProcess(s.Dirs)} }

func (p process) stop(ctx context.Context) error {
	if !p.Runs() {
		return nil
	}
	if err := syscall.Kill(p.Pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop Odoo (pid %d): %w", p.Pid, err)
	}
	for end := time.Now().Add(30 * time.Second); p.Runs(); {
		if time.Now().After(end) {
			return fmt.Errorf("Odoo (pid %d) did not stop within 30 s; see what it is doing, then: kill %d", p.Pid, p.Pid)
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
