package datadir

import "fmt"

// Describe says in words what is in the directory.
func (f Facts) Describe() string {
	switch f.State {
	case Missing:
		return "does not exist; a new cluster would be made"
	case Empty:
		return "empty; a new cluster would be made"
	case Initialised:
		text := fmt.Sprintf("a cluster of PostgreSQL %d", f.Major)
		if f.SystemIdentifier != "" {
			text += ", system_identifier " + f.SystemIdentifier
		}
		return text
	case Unfinished:
		return "no cluster yet: " + f.Reason
	case Other:
		return "not a cluster: " + f.Reason
	}
	if f.Major != 0 {
		return fmt.Sprintf("a cluster of PostgreSQL %d", f.Major)
	}
	if f.Reason != "" {
		return "unknown: " + f.Reason
	}
	return "unknown"
}
