// Package login proves a login the way Odoo will use it, over TCP with the
// role's password, and adds to a refusal what the server says of it.
package login

import (
	"context"
	"errors"
	"fmt"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/shared/pglogin"
)

// Prove logs in as the application role. It is nil too where nothing is
// published to log in to. A login that was refused is *Refused.
func Prove(ctx context.Context, server engine.Server, h cluster.Hints, w cluster.Wanted) error {
	addr, err := server.HostAddr(ctx)
	if err != nil || addr == "" {
		return err
	}
	err = cluster.Prove(ctx, addr, w, "postgres")
	var refused *pglogin.Error
	if errors.As(err, &refused) {
		l := diagnosed(ctx, server, h, w, refused)
		if !refused.Transient() || l.Cause != cluster.CauseUnknown && l.Cause != cluster.CauseUnreachable {
			return l
		}
		err = l
	}
	if err != nil {
		return fmt.Errorf("the login of %q at %s could not be proven: %w", w.Role, addr, err)
	}
	return nil
}

// diagnosed adds to a refused login what the server says over its socket.
func diagnosed(ctx context.Context, server engine.Server, h cluster.Hints, w cluster.Wanted, refused *pglogin.Error) *Refused {
	d, err := cluster.DiagnoseLogin(ctx, server, h, w.Role, w.Password, "postgres", refused)
	if err != nil {
		d = cluster.Diagnosis{Cause: cluster.CauseUnknown}
	}
	return &Refused{Diagnosis: d, refused: refused}
}

// Refused is a login that failed, as the client and as the server see it.
type Refused struct {
	cluster.Diagnosis
	refused *pglogin.Error
}

func (l *Refused) Error() string {
	msg := l.refused.Error()
	if l.Message != "" && l.Message != msg {
		msg += "\n" + l.Message
	}
	for _, n := range l.Next {
		msg += "\n  " + n
	}
	return msg
}

func (l *Refused) Unwrap() error { return l.refused }
