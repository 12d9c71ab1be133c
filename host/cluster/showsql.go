package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/odpm/odpm/host/engine"
)

// ShowSQL gives the statements that EnsureAppRole would run, secrets masked,
// without changing or stopping anything; lines that begin with "--" say what
// they are for. Where nobody can log in as superuser, they are what
// single-user mode would run, as far as a lesser role can see.
func ShowSQL(ctx context.Context, pg engine.Server, w Wanted, h Hints) ([]string, error) {
	if err := w.validate(); err != nil {
		return nil, err
	}
	h.App = w
	conn, err := admin(ctx, pg, h, "", "")
	var none *NoAdmin
	if _, own := pg.(engine.Reader); errors.As(err, &none) && !own {
		return showManaged(ctx, pg, w, h, none)
	}
	if errors.As(err, &none) {
		return showLockedOut(ctx, pg, w, h)
	}
	if err != nil {
		return nil, err
	}
	defer func() { closeConn(conn) }()
	r, err := readRoles(ctx, conn)
	if err != nil {
		return nil, err
	}
	p := policy{admin: administrator(conn, w), adminPassword: h.made()}
	if p.admin == "" {
		if p, err = otherAdmin(ctx, pg, &conn, r, w, h, p); err != nil {
			return nil, err
		}
	}
	plan, err := planRoles(r, w, p)
	if err != nil {
		return nil, err
	}
	return plan.lines(), nil
}

func (p Plan) lines() []string {
	var out []string
	for _, s := range p.Statements {
		out = append(out, "-- "+s.What, s.Masked+";")
	}
	if len(out) == 0 {
		out = append(out, "-- nothing to do: the roles are as they should be")
	}
	for _, n := range p.Reports {
		out = append(out, "-- note: "+n)
	}
	return out
}

func showLockedOut(ctx context.Context, pg engine.Server, w Wanted, h Hints) ([]string, error) {
	if note, ok := goodAsItIs(ctx, pg, w); ok {
		return []string{"-- nothing to do: " + note}, nil
	}
	out := []string{
		"-- no role can log in as superuser over the server's own socket. odpm would stop PostgreSQL,",
		"-- read the roles in single-user mode, and run what is needed of the following there:",
	}
	r, err := visibleRoles(ctx, pg, h)
	if errors.Is(err, ErrNoAdmin) {
		// Nobody may look; the roles are assumed to be missing.
		out = append(out, "-- (no role can log in at all, so what exists could not be seen: ALTER ROLE instead of CREATE ROLE where it does)")
		r, err = &roles{}, nil
	}
	if err != nil {
		return nil, err
	}
	plan, err := planRoles(r, w, policy{adminPassword: h.made(), refused: true})
	if err != nil {
		return nil, fmt.Errorf("what single-user mode would run: %w", err)
	}
	return append(out, plan.lines()...), nil
}

// showManaged: on somebody else's server nothing is ever stopped.
func showManaged(ctx context.Context, pg engine.Server, w Wanted, h Hints, none *NoAdmin) ([]string, error) {
	conn, err := roleMaker(ctx, pg, w, h, none)
	if err != nil {
		return nil, err
	}
	if conn == nil {
		return nil, none
	}
	defer closeConn(conn)
	plan, _, err := planManaged(ctx, pg, conn, w)
	return plan.lines(), err
}
