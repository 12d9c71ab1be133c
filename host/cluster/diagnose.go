package cluster

import (
	"context"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/shared/pglogin"
)

// Diagnosis says why a login is refused.
type Diagnosis struct {
	// Cause is one of the Cause constants.
	Cause string
	// Message is a sentence or two; Next are commands, the first one first.
	Message string
	Next    []string
}

// DiagnoseLogin asks the server over its own socket why role cannot log in to
// database with password; clientErr is what the client was told, nil if it
// was not tried. database "" is postgres.
func DiagnoseLogin(ctx context.Context, pg engine.Postgres, h Hints, role, password, database string, clientErr *pglogin.Error) (Diagnosis, error) {
	return Diagnosis{}, nil
}
