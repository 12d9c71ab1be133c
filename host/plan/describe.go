package plan

import (
	"fmt"

	"github.com/odpm/odpm/host/datadir"
)

// describe says in words what is in a data directory.
func describe(f datadir.Facts) string {
	switch f.State {
	case datadir.Missing:
		return "does not exist; a new cluster would be made"
	case datadir.Empty:
		return "empty; a new cluster would be made"
	case datadir.Initialised:
		text := fmt.Sprintf("a cluster of PostgreSQL %d", f.Major)
		if f.SystemIdentifier != "" {
			text += ", system_identifier " + f.SystemIdentifier
		}
		return text
	case datadir.Other:
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
