// Package drift compares what is with what was last proven. It is pure: data
// in, data out.
package drift

// Kind is one of the ten names that scripts rely on (docs/drift.md).
type Kind string

const (
	FirstRun            Kind = "first_run"
	ServiceName         Kind = "service_name"
	ComposeProjectName  Kind = "compose_project_name"
	DBHostMismatch      Kind = "db_host_mismatch"
	HostPort            Kind = "host_port"
	OdpmScenario        Kind = "odpm_scenario"
	DataDirEmptyChanged Kind = "data_dir_empty_changed"
	DataPath            Kind = "data_path"
	PostgresMajor       Kind = "postgres_major"
	AppRoleMissing      Kind = "app_role_missing"
	ClusterIdentity     Kind = "cluster_identity"
)
