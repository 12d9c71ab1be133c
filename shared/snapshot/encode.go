package snapshot

import (
	"bytes"
	"encoding/json"
	"maps"
	"time"
)

// timeLayout is how recorded_at is written, always in UTC: what Python's
// datetime.isoformat(timespec="seconds") gives.
const timeLayout = "2006-01-02T15:04:05+00:00"

// Stamp writes a time as recorded_at is written.
func Stamp(t time.Time) string { return t.UTC().Format(timeLayout) }

// Encode writes two-space indent, sorted keys, a final newline. It never
// holds a password, because no member is one.
func (s *Snapshot) Encode() ([]byte, error) {
	top := s.section("")
	cluster, compose, conf := s.section("cluster"), s.section("compose"), s.section("odoo_conf")

	cluster["app_role"] = s.Cluster.AppRole
	if s.Cluster.AppRolePresent != nil {
		cluster["app_role_present"] = *s.Cluster.AppRolePresent
	}
	cluster["data_dir_nonempty"] = s.Cluster.DataDirNonempty
	if s.Cluster.PGMajor != 0 {
		cluster["pg_major"] = s.Cluster.PGMajor
	}
	putText(cluster, "system_identifier", s.Cluster.SystemIdentifier)

	putText(compose, "compose_project_name", s.Compose.ProjectName)
	putText(compose, "odoo_service_name", s.Compose.OdooServiceName)
	compose["service_name"] = s.Compose.ServiceName
	compose["data_path_abs"] = s.Compose.DataPathAbs
	compose["host_port"] = s.Compose.HostPort
	compose["image_tag"] = s.Compose.ImageTag

	conf["db_host"] = s.OdooConf.DBHost
	conf["db_port"] = s.OdooConf.DBPort
	conf["db_user"] = s.OdooConf.DBUser

	top["cluster"], top["compose"], top["odoo_conf"] = cluster, compose, conf
	top["engine"] = EnginePostgres
	top["odpm_scenario"] = s.Scenario
	top["recorded_at"] = Stamp(s.RecordedAt)
	top["schema_version"] = SchemaVersion
	putText(top, "handoff_id", s.HandoffID)
	putText(top, "start_id", s.StartID)

	var b bytes.Buffer
	e := json.NewEncoder(&b)
	// Paths are read by people too; nothing here ends up in HTML.
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	// encoding/json sorts a map's keys.
	err := e.Encode(top)
	return b.Bytes(), err
}

// section starts an object with the members that were read and are unknown.
func (s *Snapshot) section(at string) map[string]any {
	out := map[string]any{}
	for k, v := range s.unknown[at] {
		out[k] = json.RawMessage(v)
	}
	return out
}

func putText(m map[string]any, key, value string) {
	if value != "" {
		m[key] = value
	}
}

// KeepUnknown takes over the members of another snapshot that this program
// does not know, so that a rewrite loses nothing.
func (s *Snapshot) KeepUnknown(from *Snapshot) {
	if from != nil {
		s.unknown = from.Clone().unknown
	}
}

// Clone is a copy that shares nothing.
func (s *Snapshot) Clone() *Snapshot {
	c := *s
	if p := s.Cluster.AppRolePresent; p != nil {
		v := *p
		c.Cluster.AppRolePresent = &v
	}
	c.unknown = map[string]map[string][]byte{}
	for k, v := range s.unknown {
		c.unknown[k] = maps.Clone(v)
	}
	return &c
}
