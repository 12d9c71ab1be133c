// Package datadir says what is in a PostgreSQL data directory, for both
// layouts of the official image, without starting anything.
package datadir

// State of a data directory. The zero value is Unknown on purpose: what the
// host user may not read is unknown, and unknown is never taken for empty.
type State int

const (
	Unknown State = iota
	// Missing: the path does not exist.
	Missing
	// Empty: a directory with nothing in it (lost+found and dot files of ours do not count).
	Empty
	// Initialised: a cluster, PG_VERSION was found.
	Initialised
	// Other: something that is not a cluster.
	Other
	// Unfinished: an initdb that was cut short, or is at work. There are its directories
	// and no PG_VERSION yet, or no global/pg_control, or not yet the databases that
	// every cluster has.
	Unfinished
)

// Facts is what was seen.
type Facts struct {
	// Path is the mounted path that was looked at.
	Path  string
	State State
	// Major is PG_VERSION's number, 0 when unknown.
	Major int
	// SystemIdentifier is global/pg_control's, decimal; "" when unknown.
	SystemIdentifier string
	// ClusterDir is where PG_VERSION was, relative to Path: "." for the layout
	// of images up to 17, "18/docker" from 18, "data" for an old mount of the parent.
	ClusterDir string
	// UID and GID own ClusterDir (or Path), -1 when unknown.
	UID, GID int
	// Reason says why the state is Unknown, Other or Unfinished.
	Reason string
}

// Nonempty is a tri-state: nil when unknown.
func (f Facts) Nonempty() *bool {
	var v bool
	switch f.State {
	case Initialised, Other, Unfinished:
		v = true
	case Missing, Empty:
	default:
		return nil
	}
	return &v
}
