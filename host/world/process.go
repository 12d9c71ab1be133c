package world

import (
	"os"
	"strconv"
	"strings"

	"github.com/odpm/odpm/host/process"
	"github.com/odpm/odpm/host/state"
)

// OdooProcess is the Odoo that ODOO_COMMAND started, remembered by its pid and the
// kernel's start time, so that a pid that was given anew is not mistaken.
type OdooProcess struct {
	Pid   int
	Birth string
	// ID is the hand-off that it was started with.
	ID string
}

// RememberedProcess reads it, the zero value for none.
func RememberedProcess(d state.Dirs) OdooProcess {
	line, err := d.Remembered(state.ProcessFile)
	f := strings.Fields(line)
	if err != nil || len(f) != 3 {
		return OdooProcess{}
	}
	pid, _ := strconv.Atoi(f[0])
	return OdooProcess{pid, f[1], f[2]}
}

// Runs tells whether that process lives.
func (p OdooProcess) Runs() bool {
	return p.Pid > 1 && process.Lives(p.Pid) && Birth(p.Pid) == p.Birth
}

// Birth is a process's start time in clock ticks (proc(5), field 22); "-"
// where the system does not tell.
func Birth(pid int) string {
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

func (r *Reader) process(w *World) {
	p := RememberedProcess(r.in.Dirs)
	w.Process = Process{Runs: p.Runs(), ID: p.ID}
}
