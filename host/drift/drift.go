// Package drift compares what is with what was last proven. It is pure: data
// in, data out, tested without a database. docs/reference/drift.md is its contract.
package drift

import (
	"slices"
	"strconv"

	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/project/tag"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/shared/snapshot"
)

// Kind is one of the names that scripts rely on; additive only.
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

// Severity orders kinds; a severity is always a word for people and in JSON.
type Severity string

const (
	Info   Severity = "info"
	Low    Severity = "low"
	Medium Severity = "medium"
	High   Severity = "high"
)

var severities = map[Kind]Severity{
	FirstRun:            Info,
	ServiceName:         Low,
	ComposeProjectName:  Low,
	DBHostMismatch:      Low,
	HostPort:            Low,
	OdpmScenario:        Medium,
	DataDirEmptyChanged: Medium,
	DataPath:            High,
	PostgresMajor:       High,
	AppRoleMissing:      High,
	ClusterIdentity:     High,
}

// order is how drifts are listed: mildest first, as in the table of docs/reference/drift.md.
var order = []Kind{FirstRun, ServiceName, ComposeProjectName, DBHostMismatch, HostPort,
	OdpmScenario, DataDirEmptyChanged, DataPath, PostgresMajor, AppRoleMissing, ClusterIdentity}

// Kinds lists all of them, in the order of docs/reference/drift.md.
func Kinds() []Kind { return slices.Clone(order) }

// SeverityOf gives a kind's severity, "" for a word that is not a kind.
func SeverityOf(k Kind) Severity { return severities[k] }

// Acceptable lists the kinds that --accept-database-drift takes: medium and high.
func Acceptable() []Kind {
	var out []Kind
	for _, k := range order {
		if s := severities[k]; s == Medium || s == High {
			out = append(out, k)
		}
	}
	return out
}

// Drift is one difference.
type Drift struct {
	Kind     Kind
	Severity Severity
	// Previous and Current are shown as they are, in one line each.
	Previous, Current string
	// Message says what it means for the person's data, in one sentence.
	Message string
	// Resolvable: it may be accepted. False for a low or info drift, which
	// needs no answer, and for an image that cannot open the data on disk,
	// which no answer makes start.
	Resolvable bool
	// WaysOut are what a person can do about a drift that cannot be accepted.
	WaysOut []string
}

// NeedsAnswer: nothing is written or started until this is accepted.
func (d Drift) NeedsAnswer() bool { return d.Severity == Medium || d.Severity == High }

// Text is the drift in one line.
func (d Drift) Text() string {
	return string(d.Kind) + " changed: " + d.Previous + " -> " + d.Current + ". " + d.Message
}

// Blocking is what JSON calls blocking: a high drift.
func (d Drift) Blocking() bool { return d.Severity == High }

// SameDir tells whether two paths are one directory; it lets the caller look
// through symbolic links without giving this package a file system.
type SameDir func(a, b string) bool

// Compare lists the drifts of what was observed against the last snapshot
// (nil: first run), in the order of the table.
func Compare(obs state.Observed, snap *snapshot.Snapshot, same SameDir) []Drift {
	if same == nil {
		same = func(a, b string) bool { return a == b }
	}
	c := comparison{found: map[Kind]Drift{}}
	if snap == nil {
		c.add(Drift{Kind: FirstRun, Previous: "no snapshot", Current: "baseline adopted on start",
			Message: "No login has been recorded for this project yet; the first start adopts the cluster as it is."})
	} else {
		c.settings(obs, snap, same)
		c.cluster(obs, snap, same)
	}
	c.dbHost(obs)
	c.dataOnDisk(obs)
	var out []Drift
	for _, k := range order {
		if d, ok := c.found[k]; ok {
			out = append(out, d)
		}
	}
	return out
}

type comparison struct{ found map[Kind]Drift }

func (c *comparison) add(d Drift) {
	d.Severity = severities[d.Kind]
	c.found[d.Kind] = d
}

// acceptable adds a drift that a person may accept.
func (c *comparison) acceptable(k Kind, previous, current, message string) {
	c.add(Drift{Kind: k, Previous: previous, Current: current, Message: message, Resolvable: true})
}

func (c *comparison) low(k Kind, previous, current, message string) {
	c.add(Drift{Kind: k, Previous: previous, Current: current, Message: message})
}

// settings compares what the project's files say.
func (c *comparison) settings(obs state.Observed, snap *snapshot.Snapshot, same SameDir) {
	was, is := snap.Compose, obs.Candidate.Compose
	if was.ServiceName != is.ServiceName {
		c.low(ServiceName, was.ServiceName, is.ServiceName,
			"The PostgreSQL service has a new name; the old service's container is stopped before the new one starts.")
	}
	if was.ProjectName != is.ProjectName {
		c.low(ComposeProjectName, orNone(was.ProjectName), orNone(is.ProjectName),
			"The compose project has a new name; containers of the old one are stopped before the new ones start.")
	}
	if was.HostPort != is.HostPort {
		c.low(HostPort, strconv.Itoa(was.HostPort), strconv.Itoa(is.HostPort),
			"PostgreSQL is published on another port of the host.")
	}
	if was := snap.Scenario; was != obs.Candidate.Scenario {
		c.acceptable(OdpmScenario, was, obs.Candidate.Scenario,
			"The project runs under another scenario; restart policy and password rules change with it.")
	}
	if was.DataPathAbs != is.DataPathAbs && !same(was.DataPathAbs, is.DataPathAbs) {
		c.acceptable(DataPath, was.DataPathAbs, is.DataPathAbs, "Data is not moved for you.")
	}
}

// cluster compares what the server and its directory say. What is unknown is
// not compared: unknown is not false.
func (c *comparison) cluster(obs state.Observed, snap *snapshot.Snapshot, same SameDir) {
	samePath := snap.Compose.DataPathAbs == obs.Candidate.Compose.DataPathAbs ||
		same(snap.Compose.DataPathAbs, obs.Candidate.Compose.DataPathAbs)

	held := snap.Cluster.DataDirNonempty
	if role := snap.Cluster.AppRolePresent; role != nil && *role {
		// Python odpm, run by an ordinary user, may not look into PostgreSQL's
		// directory and writes false; but where the role was, a cluster was.
		held = true
	}
	if nonempty := obs.Data.Nonempty(); nonempty != nil && *nonempty != held {
		if *nonempty {
			c.acceptable(DataDirEmptyChanged, "empty", "not empty",
				"The data directory was empty at the last run and now holds something that odpm did not put there.")
		} else {
			now := "empty"
			if obs.Data.State == datadir.Missing {
				now = "missing"
			}
			c.acceptable(DataDirEmptyChanged, "not empty", now,
				"This would start a NEW EMPTY cluster; the databases of the last run would not be in it.")
		}
	}

	if was := snapshotMajor(snap); was != 0 && obs.ImageMajor != 0 && was != obs.ImageMajor {
		c.acceptable(PostgresMajor, strconv.Itoa(was), strconv.Itoa(obs.ImageMajor),
			"PostgreSQL cannot open another major's data files; odpm does not migrate them.")
	}

	if present := obs.AppRolePresent; present != nil && !*present {
		was := "present"
		if p := snap.Cluster.AppRolePresent; p != nil && !*p {
			was = "missing"
		}
		c.acceptable(AppRoleMissing, snap.Cluster.AppRole+" "+was, obs.Candidate.Cluster.AppRole+" missing",
			"The role Odoo logs in as is not in the cluster; accepting creates it.")
	}

	was, is := snap.Cluster.SystemIdentifier, obs.SystemIdentifier
	if samePath && was != "" && is != "" && was != is {
		c.acceptable(ClusterIdentity, was, is,
			"A different PostgreSQL cluster is at the same path; its databases are not the ones of the last run.")
	}
}

// dbHost compares odoo.conf with the service name of today, with or without a
// snapshot.
func (c *comparison) dbHost(obs state.Observed) {
	host, service := obs.Candidate.OdooConf.DBHost, obs.Candidate.Compose.ServiceName
	if service == "" || host == service || obs.HostMeans != "" {
		return
	}
	// Previous is what should be there, as in Python odpm's JSON.
	c.low(DBHostMismatch, service, orNone(host),
		"odoo.conf's db_host is not the PostgreSQL service's name on the compose network.")
}

// dataOnDisk compares the image with PG_VERSION. This holds on the very first
// run too, and no answer makes such a server start.
func (c *comparison) dataOnDisk(obs state.Observed) {
	disk := obs.Data.Major
	if disk == 0 || obs.ImageMajor == 0 || disk == obs.ImageMajor {
		return
	}
	d, i := strconv.Itoa(disk), strconv.Itoa(obs.ImageMajor)
	c.add(Drift{Kind: PostgresMajor, Previous: d + " (data directory)", Current: i + " (image)",
		Message: "The data directory was written by PostgreSQL " + d + "; an image of " + i + " cannot start on it.",
		WaysOut: []string{
			"set postgres_version to \"" + d + "\" in odpm.json to work with this data, and to back up the database NAME: odpm -d NAME --db-backup",
			"then, to move the database NAME to PostgreSQL " + i + ": odpm database rehearse NAME --major " + i + ", and the steps of docs/how-to/major-upgrade.md",
			"or point POSTGRES_DATA_DIR at a directory of PostgreSQL " + i,
		}})
}

// snapshotMajor is what the snapshot proves, else what its image tag says.
func snapshotMajor(s *snapshot.Snapshot) int {
	if s.Cluster.PGMajor != 0 {
		return s.Cluster.PGMajor
	}
	return tag.Major(s.Compose.ImageTag)
}

func orNone(s string) string {
	if s == "" {
		return "(not set)"
	}
	return s
}
