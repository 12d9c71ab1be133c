// Package state brings together what a project says and what is really there
// into one value, Observed, that drift compares with the last snapshot.
package state

import (
	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/shared/snapshot"
)

// Observed is the present, with unknown kept apart from false.
type Observed struct {
	// Candidate has compose, odoo_conf and scenario as the project says them
	// today; its cluster part is filled in as far as it is known.
	Candidate snapshot.Snapshot
	// HostMeans is the service that odoo.conf's db_host means on the compose
	// network, by whatever name, "" for none.
	HostMeans string
	// ImageMajor is the image tag's major.
	ImageMajor int
	Data       datadir.Facts

	// EngineAsked is false with --plan-no-docker, or where no engine answers;
	// EngineError then says why.
	EngineAsked bool
	EngineError string
	// Running and Ready are nil when nobody could ask.
	Running, Ready *bool
	// AppRolePresent is nil when the server does not run or could not be asked.
	AppRolePresent *bool
	// SystemIdentifier is the live server's or the directory's; "" when unknown.
	SystemIdentifier string
}
