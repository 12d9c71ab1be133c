package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/odpm/odpm/host/engine"
)

// EnsureOptions are what EnsureAppRole needs of its caller.
type EnsureOptions struct {
	Hints Hints
	// BeforeChange is called once, before the first change, with all roles as
	// pg_dumpall --roles-only writes them; the caller keeps it (0600). Its
	// error stops the work.
	BeforeChange func(ctx context.Context, roleDump []byte) error
	// Say gets what is about to happen where that takes a while.
	Say func(string)
}

func (o EnsureOptions) say(format string, args ...any) {
	if o.Say != nil {
		o.Say(fmt.Sprintf(format, args...))
	}
}

func (o EnsureOptions) before(ctx context.Context, dump []byte) error {
	if o.BeforeChange == nil {
		return nil
	}
	if err := o.BeforeChange(ctx, dump); err != nil {
		return fmt.Errorf("save the roles: %w; nothing was changed", err)
	}
	return nil
}

// Report is what EnsureAppRole did.
type Report struct {
	Changed bool
	// Done are the statements that were run, secrets masked, and Notes what
	// was found and left as it is.
	Done  []string
	Notes []string
	// SingleUser is set where the server was stopped for it.
	SingleUser bool
}

// EnsureAppRole makes or corrects the application role, and an administrator
// only where the cluster has none that can be used. On a cluster that is as it
// should be it changes nothing. The server runs, before and after; where nobody
// can log in as superuser, one that odpm runs (engine.Writer) is stopped for
// single-user mode meanwhile. The caller holds the data directory's lock.
func EnsureAppRole(ctx context.Context, pg engine.Remote, w Wanted, o EnsureOptions) (Report, error) {
	if err := w.validate(); err != nil {
		return Report{}, err
	}
	o.Hints.App = w
	conn, err := admin(ctx, pg, o.Hints, "", "")
	var none *NoAdmin
	if errors.As(err, &none) {
		return ensureLockedOut(ctx, pg, w, o, none)
	}
	if err != nil {
		return Report{}, fmt.Errorf("look at the cluster's roles: %w", err)
	}
	defer func() { closeConn(conn) }()
	return ensureLive(ctx, pg, &conn, w, o)
}

// ensureLive works on a superuser's connection; it puts another one in its
// place where it has to.
func ensureLive(ctx context.Context, pg engine.Remote, conn **Session, w Wanted, o EnsureOptions) (Report, error) {
	var rep Report
	p := policy{admin: administrator(*conn, w), adminPassword: o.Hints.made()}
	r, err := readRoles(ctx, *conn)
	if err != nil {
		return rep, err
	}
	if p.admin == "" {
		if p, err = otherAdmin(ctx, pg, conn, r, w, o.Hints, p); err != nil {
			return rep, err
		}
	}
	plan, err := planRoles(r, w, p)
	if err != nil {
		return rep, err
	}
	rep.Notes = plan.Reports
	if plan.NoChange() {
		return rep, nil
	}
	cfg := (*conn).Config()
	dump, note := dumpRoles(ctx, pg, cfg.User, cfg.Database, o.Hints, r)
	if note != "" {
		rep.Notes = append(rep.Notes, note)
	}
	if err := o.before(ctx, dump); err != nil {
		return rep, err
	}
	for i := 0; i < len(plan.Statements); i++ {
		s := plan.Statements[i]
		if err := run(ctx, *conn, s); err != nil {
			return rep, err
		}
		rep.Changed, rep.Done = true, append(rep.Done, s.Masked)
		if s.Role != plan.Admin {
			continue
		}
		// The new administrator is seen to log in before the application role
		// loses what it has.
		next, err := admin(ctx, pg, withAdmin(o.Hints, plan.Admin), "", w.Role)
		if err == nil {
			closeConn(*conn)
			*conn = next
			continue
		}
		if !errors.Is(err, ErrNoAdmin) {
			return rep, err
		}
		p.keepSuper, p.refused, p.free = true, true, nil
		if r, err = readRoles(ctx, *conn); err != nil {
			return rep, err
		}
		if plan, err = planRoles(r, w, p); err != nil {
			return rep, err
		}
		rep.Notes, i = append(rep.Notes, plan.Reports...), -1
	}
	return rep, verify(ctx, *conn, w, p)
}

// otherAdmin looks for an administrator beside the application role, on whose
// connection we are.
func otherAdmin(ctx context.Context, pg engine.Server, conn **Session, r *roles, w Wanted, h Hints, p policy) (policy, error) {
	if x := r.find(w.Role); x == nil || x.OID == bootstrapOID && r.major() >= 16 {
		return p, nil
	}
	others := r.admins(w.Role)
	if len(others) == 0 {
		return p, nil
	}
	next, err := admin(ctx, pg, withAdmin(h, others...), "", w.Role)
	if err == nil {
		closeConn(*conn)
		*conn, p.admin = next, next.Config().User
		return p, nil
	}
	var none *NoAdmin
	if !errors.As(err, &none) {
		return p, err
	}
	p.refused, p.free = true, none.free()
	p.keepSuper = !slices.Contains(p.free, defaultAdmin)
	return p, nil
}

func withAdmin(h Hints, names ...string) Hints {
	h.Admins = append(append([]string(nil), names...), h.Admins...)
	return h
}

// run sends one statement. Its error names what was meant, never the text.
func run(ctx context.Context, conn *Session, s Statement) error {
	if _, err := conn.Exec(ctx, s.SQL); err != nil {
		return fmt.Errorf("%s: %s (%s)", s.What, mask(err.Error()), s.Masked)
	}
	return nil
}

// verify reads everything again: a verifier that the server did not take for
// one would have been hashed and locked the role out, without an error.
func verify(ctx context.Context, conn *Session, w Wanted, p policy) error {
	r, err := readRoles(ctx, conn)
	if err != nil {
		return err
	}
	if p.admin == "" {
		p.admin = administrator(conn, w)
	}
	plan, err := planRoles(r, w, p)
	if err != nil {
		return err
	}
	if !plan.NoChange() {
		return fmt.Errorf("the roles are not as they were set; something on the server changes them back (an event trigger, another program). Still to do: %s", plan.Masked()[0])
	}
	return nil
}
