package cluster

import (
	"context"
	"fmt"

	"github.com/odpm/odpm/host/engine"
)

// ensureManaged works with a role that has CREATEROLE and is no superuser,
// which is all that a managed PostgreSQL gives to its customers. It cannot see
// passwords, so the project's is proven by a login; it cannot switch off the
// server's log of statements, which therefore may hold the verifier, and never
// the password. ok is false where there is no such role.
func ensureManaged(ctx context.Context, pg engine.Remote, w Wanted, o EnsureOptions, none *NoAdmin) (rep Report, ok bool, err error) {
	conn, err := roleMaker(ctx, pg, w, o.Hints, none)
	if conn == nil || err != nil {
		return rep, false, err
	}
	defer closeConn(conn)
	plan, r, err := planManaged(ctx, pg, conn, w)
	if err != nil {
		return rep, true, err
	}
	rep.Notes = plan.Reports
	if plan.NoChange() {
		return rep, true, nil
	}
	if err := o.before(ctx, r.dump()); err != nil {
		return rep, true, err
	}
	rep.Notes = append(rep.Notes, fmt.Sprintf("the roles were saved without passwords, which %s may not read", shown(conn.Config().User)))
	for _, s := range plan.Statements {
		if err := run(ctx, conn, s); err != nil {
			return rep, true, err
		}
		rep.Changed, rep.Done = true, append(rep.Done, s.Masked)
	}
	return rep, true, nil
}

func planManaged(ctx context.Context, pg engine.Server, conn *Session, w Wanted) (Plan, *roles, error) {
	r, err := readVisible(ctx, conn)
	if err != nil {
		return Plan{}, nil, err
	}
	r.Proven = passwordProven(ctx, pg, w)
	plan, err := planRoles(r, w, policy{admin: conn.Config().User, keepSuper: true})
	return plan, r, err
}

// roleMaker is a connection as a role with CREATEROLE, nil where none of those
// that could log in has it. The application role does not count.
func roleMaker(ctx context.Context, pg engine.Server, w Wanted, h Hints, none *NoAdmin) (*Session, error) {
	for _, a := range none.Attempts {
		if a.SQLState != "" || a.Role == w.Role {
			continue
		}
		conn, _, err := login(ctx, pg, h, a.Role, "")
		if err != nil {
			return nil, err
		}
		var may bool
		if err := conn.QueryRow(ctx, `SELECT rolcreaterole FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) session_user`).Scan(&may); err != nil {
			closeConn(conn)
			return nil, err
		}
		if may {
			return conn, nil
		}
		closeConn(conn)
	}
	return nil, nil
}

// passwordProven: the role logs in over TCP with its password and not with
// another one, which a server that trusts its clients would let in too.
func passwordProven(ctx context.Context, pg engine.Server, w Wanted) bool {
	addr, err := pg.HostAddr(ctx)
	if err != nil || addr == "" {
		return false
	}
	if Prove(ctx, addr, w, "") != nil {
		return false
	}
	return Prove(ctx, addr, w.otherPassword(), "") != nil
}
