package world

import (
	"fmt"
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
	// Start is Project.OdooStart as it was then, "" where an older odpm started it.
	Start string
}

// RememberedProcess reads it, the zero value for none.
func RememberedProcess(d state.Dirs) OdooProcess {
	line, err := d.Remembered(state.ProcessFile)
	f := strings.Fields(line)
	if err != nil || len(f) != 3 && len(f) != 4 {
		return OdooProcess{}
	}
	pid, _ := strconv.Atoi(f[0])
	p := OdooProcess{Pid: pid, Birth: f[1], ID: f[2]}
	if len(f) == 4 {
		p.Start = f[3]
	}
	return p
}

// Line is what RememberedProcess reads.
func (p OdooProcess) Line() string {
	return fmt.Sprintf("%d %s %s %s\n", p.Pid, p.Birth, p.ID, p.Start)
}

// Outdated tells whether it was started in another way than the project says now.
func (p OdooProcess) Outdated(now string) bool { return p.Start != "" && p.Start != now }

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
	w.Process = Process{Runs: p.Runs(), ID: p.ID, Outdated: p.Outdated(r.in.OdooStart())}
}
