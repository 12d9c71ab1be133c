// Package world is what is there: data directory, server, containers, images,
// files, the last snapshot. A Reader makes a World of it, which nobody changes
// afterwards; what it was not asked for is unknown, and unknown is never false.
package world

import (
	"os"
	"slices"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/shared/snapshot"
)

// World is one look at a project's surroundings.
type World struct {
	// Kind is the engine's, as in engines. Asked: it was asked, and answers;
	// EngineErr says why it does not. Stack: Docker runs Odoo.
	Kind      string
	Asked     bool
	EngineErr error
	Stack     bool
	// Warnings are what could not be asked.
	Warnings []string
	// OdooHere: Odoo runs on this machine itself, and not in a container.
	OdooHere bool
	// UID and GID are this process's. Rootless: an ordinary user runs the engine.
	UID, GID int
	Rootless bool

	// Snapshot is the last proven login, nil on the first run. SnapshotFile is
	// its file: the checker replaces it, so another file means that it has recorded.
	Snapshot     *snapshot.Snapshot
	SnapshotFile os.FileInfo
	// SameData: the snapshot's data path leads to the project's directory.
	SameData bool

	// Disk is what lies in the data directory; DiskErr why it could not be seen.
	Disk    datadir.Facts
	DiskErr error
	Status  engine.Status
	// Holders have the data directory; HoldersErr says why that is not known.
	Holders    []Holder
	HoldersErr error
	// OnOldData: the service that runs still has the last run's data, and not the
	// project's.
	OnOldData bool
	// Server is what the running server says, nil where it is not running, may not
	// be asked, or runs on other data (Elsewhere).
	Server    *cluster.Facts
	Elsewhere *Elsewhere
	// Addr is where this machine reaches the server, "" where it listens nowhere.
	Addr string

	// Containers are those of the compose project's name, Last those of the last
	// run's where that is another.
	Containers, Last []Container
	// OldServer is a native server on the last run's directory or port.
	OldServer *OldServer
	// Process is the Odoo that ODOO_COMMAND started.
	Process Process

	// OdooImage is ODOO_IMAGE, nil where it is not on this machine. PGData is
	// where PostgreSQL's image keeps its data, "" where that is not known, and
	// PostgresUser the user that the image names.
	OdooImage            *engine.Image
	PGData, PostgresUser string
	// MissingImages are those of the stack beside Odoo's that are not on this machine.
	MissingImages []string
	// Built are this project's images that odpm built.
	Built []engine.BuiltImage
	// Volume is the data volume's object.
	Volume engine.Volume

	Files   Files
	Checker Checker
	// Theirs is a compose file that odpm did not write, nil without one.
	Theirs *Theirs
	// Up is what the last `docker compose up` made.
	Up Up
	// Accepted is what a person accepted since the last proven login.
	Accepted []state.Acceptance
	// Bootstrap is the remembered password of the superuser that odpm made.
	Bootstrap string

	// NoPrograms says what the native engine lacks to start a server, nil where it
	// runs or nothing is missing.
	NoPrograms error

	Answers
	// Run is what this very run has done so far.
	Run Run
}

// Holder has the data directory.
type Holder struct {
	engine.Holder
	// Here: it was started from this project's directory, or does not say from
	// where. Labelled: it says.
	Here, Labelled bool
}

// Container is one of a compose project's.
type Container struct {
	engine.Container
	// Here: it was made in this project's directory. Gone: the directory it was
	// made in is not there any more.
	Here, Gone bool
}

// OfAnotherStack are the containers of the project's PostgreSQL service that were
// made in another directory: two directories called "shop" have one compose
// project's name.
func OfAnotherStack(p *project.Project, all []Container) []Container {
	if p.External {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(all), func(c Container) bool { return c.Here || c.Service != p.ServiceName })
}

// Elsewhere is a server that runs on other data than the project's.
type Elsewhere struct {
	Where string
	// Server and Disk are two system_identifiers of one place, "" where the
	// place itself is another.
	Server, Disk string
	Err          error
}

// OldServer is a native server of the last run.
type OldServer struct {
	DataDir string
	Port    int
}

// Process is the Odoo that ODOO_COMMAND started.
type Process struct {
	Runs bool
	// ID is the hand-off that it was started with.
	ID string
	// Outdated: ODOO_COMMAND, odoo.conf's path, the data directory or where it listens
	// changed since it was started.
	Outdated bool
}

// Files are the files that a run may write, nil where there is none.
type Files struct {
	Conf, Handoff, PasswordEnv []byte
	Compose                    compose.Found
	// OdooDirs are those below Odoo's data directory that Odoo writes to and that
	// are there: each may belong to somebody else than the directory itself.
	OdooDirs []string
	// Missing are the directories and the generated secret that are not there.
	Missing []string
	// SecretClosed: the generated secret is there, and only its owner may read it.
	SecretClosed bool
	// DatabaseOfRoot: .odpm/database is there and root's own. A run as root without
	// the Odoo image makes it so: whose it must be is not known yet.
	DatabaseOfRoot bool
	// CheckerMounted is where the checker is that a kept file's Odoo has mounted,
	// CheckerThere tells whether it is there.
	CheckerMounted string
	CheckerThere   bool
	// OdooData is another data directory than the project's, which Odoo's own
	// settings name; nil where there is none, and where Odoo runs in a container.
	OdooData *OdooData
}

// OdooData is where an Odoo without a container would have, or had, its file stores.
type OdooData struct {
	Dir string
	// Where says which setting names it: "ODOO_COMMAND", "odoo.conf:3: data_dir".
	Where string
	// Decides: it is an option of Odoo's command, which nothing overrides.
	Decides bool
	// Default: no setting names it; Odoo would have taken it by itself.
	Default bool
}

// Checker is odpm-checker on this machine.
type Checker struct {
	// On is what it must run on.
	On   Platform
	Path string
	// Digest tells one build from another.
	Digest string
	// Err is why there is none.
	Err error
}

// Up remembers under .odpm/state what the last `docker compose up` was given
// and what it made. The hand-off's id covers only what a login depends on:
// without this a changed ODOO_PORT, an edited override or another service in
// odpm.json would be written and never reach a container.
type Up struct {
	// Config is a hash of compose's resolved document, "" where nothing was up.
	Config string `json:"config"`
	// Inputs is ConfigInputs of that document, "" where they could not be told.
	Inputs string `json:"inputs,omitempty"`
	// Services are compose's own hashes, as the containers carry them.
	Services map[string]string `json:"services"`
}

// Run is what this run has done, for what nothing else would show.
type Run struct {
	// Acted: something was done.
	Acted bool
	// Drifted: something differed from the last proven login. It stays: a role
	// that was made in the meantime is no drift any more, and its login has
	// still to be proven.
	Drifted bool
	// RoleEnsured: the application role was made as the project wants it.
	RoleEnsured bool
	// Started: PostgreSQL was started. Up: so was Odoo, and its login is proven.
	Started, Up bool
}

// Person is engine.Person for this world.
func (w *World) Person() string { return engine.Person(w.UID, w.GID, w.Rootless) }

// Odoo is the Odoo service's container, the zero value for none.
func (w *World) Odoo(service string) engine.Container {
	for _, c := range w.Containers {
		if c.Service == service && !c.OneOff {
			return c.Container
		}
	}
	return engine.Container{}
}

// Hashes are compose's hashes of the project's containers by service.
func (w *World) Hashes() map[string]string {
	hashes := map[string]string{}
	for _, c := range w.Containers {
		if c.Service != "" && !c.OneOff {
			hashes[c.Service] = c.ConfigHash
		}
	}
	return hashes
}
