// Package handoff is what the host tells the checker: checker.json in
// .odpm/runtime, mounted read-only at RuntimeDir, the places both agree on,
// and the environment names.
package handoff

import "github.com/odpm/odpm/shared/snapshot"

// Version is the schema version of checker.json.
const Version = 1

// Where the two directories are mounted in the Odoo container, and what they
// are called in a project.
const (
	RuntimeDir  = "/run/odpm/runtime"
	DatabaseDir = "/run/odpm/database"
	FileName    = "checker.json"

	HostRuntimeDir  = ".odpm/runtime"
	HostDatabaseDir = ".odpm/database"
	HostStateDir    = ".odpm/state"
	HostImageDir    = ".odpm/image"
)

// EnvID carries the id of the hand-off that the container was created for.
// The checker records a baseline only when it equals the file's id.
const EnvID = "ODPM_HANDOFF_ID"

// Handoff is the content of checker.json. It never holds a password.
type Handoff struct {
	Version int
	// ID is Identify(candidate, odoo.conf's bytes).
	ID string
	// Candidate is the snapshot the host wants proven: the checker takes
	// compose, odoo_conf and scenario from it, and cluster from the server.
	Candidate snapshot.Snapshot
	// OdooMajor is 0 when unknown; it decides the precedence of PG* and
	// odoo.conf (from 19 the environment wins) and what "None" means.
	OdooMajor int
}
