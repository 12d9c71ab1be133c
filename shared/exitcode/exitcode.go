// Package exitcode holds the exit codes of odpm-checker: the checker ends with
// them, and odpm reads them off the container. docs/reference/checker.md is the contract;
// the numbers are sysexits.h's where it has one.
package exitcode

// What odpm-checker ends with before it has become the program behind it.
const (
	Usage       = 64
	Unavailable = 69
	NoBaseline  = 73
	Output      = 74
	Refused     = 77
	Config      = 78
	NotRunnable = 126
	NotFound    = 127
	// Signal is added to the number of the signal that came while it waited.
	Signal = 128
)

// Meaning says in a few words what a container's exit code means, for a
// container whose first program is the checker.
func Meaning(code int) string {
	switch code {
	case Usage:
		return "odpm-checker: usage"
	case Unavailable:
		return "odpm-checker: PostgreSQL not reachable in time"
	case NoBaseline:
		return "odpm-checker: the baseline could not be written"
	case Output:
		return "odpm-checker: standard output could not be written"
	case Refused:
		return "odpm-checker: login refused"
	case Config:
		return "odpm-checker: configuration"
	case NotRunnable, NotFound:
		return "the program cannot be run"
	case Signal + 9:
		return "killed, perhaps for lack of memory"
	}
	return "Odoo's own"
}
