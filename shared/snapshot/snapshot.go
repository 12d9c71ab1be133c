// Package snapshot is the schema and the durable store of
// .odpm/database/last_run.json: what the project's PostgreSQL looked like the
// last time a login worked. The file is shared with the Python odpm 4.3–4.8,
// so names, keys and meaning are fixed; what we add are optional members.
package snapshot

import "time"

// SchemaVersion is the only version this program writes. A file with a newer
// version is refused (ErrNewer), never downgraded.
const SchemaVersion = 1

// EnginePostgres is the only value of the "engine" member.
const EnginePostgres = "postgres"

// FileName is the snapshot's name inside the database directory.
const FileName = "last_run.json"

// Snapshot is one proven state. Optional members are pointers or empty
// strings; an absent member means "unknown", never false.
type Snapshot struct {
	Cluster  Cluster
	Compose  Compose
	OdooConf OdooConf
	// Scenario is ODPM_SCENARIO: developer, server or ci.
	Scenario string
	// RecordedAt is when the login was proven, written in UTC as
	// 2006-01-02T15:04:05+00:00.
	RecordedAt time.Time
	// HandoffID names the hand-off that was proven; empty for a snapshot that
	// Python odpm or adoption wrote. An optional member of ours.
	HandoffID string
	// StartID is that of the start of Odoo which odpm had announced when the
	// checker began; empty where it had announced none. An optional member of
	// ours.
	StartID string

	// unknown members, by JSON path ("" for the top level), kept over a
	// read-write cycle.
	unknown map[string]map[string][]byte
}

// Cluster is what the server itself said.
type Cluster struct {
	AppRole string
	// AppRolePresent is nil when nobody could ask.
	AppRolePresent *bool
	// DataDirNonempty is whether the data directory held anything.
	DataDirNonempty bool
	// PGMajor is 0 when unknown.
	PGMajor int
	// SystemIdentifier is pg_control's system_identifier in decimal; a string
	// because JSON numbers lose 64-bit precision. Empty when unknown. An
	// optional member of ours.
	SystemIdentifier string
}

// Compose is what the project's compose file said.
type Compose struct {
	// ProjectName and OdooServiceName are absent without a prefix.
	ProjectName     string
	OdooServiceName string
	ServiceName     string
	DataPathAbs     string
	HostPort        int
	ImageTag        string
}

// OdooConf is the connection that odoo.conf names. DBHost may be empty and
// DBPort 0 where the file leaves them unset.
type OdooConf struct {
	DBHost string
	DBPort int
	DBUser string
}
