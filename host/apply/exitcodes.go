package apply

// The checker's exit codes after which the server itself is asked.
const (
	exitUnavailable = 69
	exitRefused     = 77
)

// exitMeaning names the checker's exit codes (docs/checker.md).
func exitMeaning(code int) string {
	switch code {
	case 64:
		return "odpm-checker: usage"
	case exitUnavailable:
		return "odpm-checker: PostgreSQL not reachable in time"
	case 73:
		return "odpm-checker: the baseline could not be written"
	case exitRefused:
		return "odpm-checker: login refused"
	case 78:
		return "odpm-checker: configuration"
	case 126, 127:
		return "the program cannot be run"
	case 137:
		return "killed, perhaps for lack of memory"
	}
	return "Odoo's own"
}
