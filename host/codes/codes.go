// Package codes has the stable names of what odpm refuses and of what goes
// wrong. "odpm explain", docs/how-to/troubleshooting.md and every JSON error share them;
// names are added, never changed. Kinds of drift are codes too.
package codes

// Code is one of them.
type Code string

// Refusals and errors, as in the table of Entries.
const (
	AccessDenied       Code = "access_denied"
	ArchiveRefused     Code = "archive_refused"
	CheckerMissing     Code = "checker_missing"
	ComposeForeign     Code = "compose_foreign"
	ConfirmationNeeded Code = "confirmation_needed"
	DataInUse          Code = "data_in_use"
	DataLayout         Code = "data_layout"
	DataNotACluster    Code = "data_not_a_cluster"
	DataUnfinished     Code = "data_unfinished"
	DataUnreadable     Code = "data_unreadable"
	DatabaseInvalid    Code = "database_invalid"
	DBHostElsewhere    Code = "db_host_elsewhere"
	DBHostLocalhost    Code = "db_host_localhost"
	Declined           Code = "declined"
	DefaultPassword    Code = "default_password"
	DiskFull           Code = "disk_full"
	DriftUnaccepted    Code = "drift_unaccepted"
	EngineElsewhere    Code = "engine_elsewhere"
	Failed             Code = "failed"
	FilestoreInVolume  Code = "filestore_in_volume"
	ImageMissing       Code = "image_missing"
	Interrupted        Code = "interrupted"
	OdooAccess         Code = "odoo_access"
	PlanChanged        Code = "plan_changed"
	PortTaken          Code = "port_taken"
	ProjectConfig      Code = "project_config"
	ReadOnlyServer     Code = "read_only_server"
	ServerElsewhere    Code = "server_elsewhere"
	ServerNoTCP        Code = "server_no_tcp"
	SettingsConflict   Code = "settings_conflict"
	SnapshotUnreadable Code = "snapshot_unreadable"
	StackMoved         Code = "stack_moved"
	StackNameTaken     Code = "stack_name_taken"
	TakeoverData       Code = "takeover_data"
	Usage              Code = "usage"
	VolumeMissing      Code = "volume_missing"
)

// Entry explains one code.
type Entry struct {
	Code Code
	// Means is what was found, in a sentence or two.
	Means string
	// Lost is what can be lost by doing the wrong thing now.
	Lost string
	// First are safe commands and settings; what changes something comes last.
	First []string
}

// Find gives the entry of a name, and whether there is one.
func Find(name string) (Entry, bool) {
	for _, e := range Entries {
		if string(e.Code) == name {
			return e, true
		}
	}
	return Entry{}, false
}

// Names are all codes in the order of Entries.
func Names() []string {
	out := make([]string, len(Entries))
	for i, e := range Entries {
		out[i] = string(e.Code)
	}
	return out
}
