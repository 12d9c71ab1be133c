package cluster

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/interrupt"
	"github.com/odpm/odpm/shared/pglogin"
	"github.com/odpm/odpm/shared/saslprep"
)

// ensureLockedOut: the server answers, and nobody can log in as superuser.
func ensureLockedOut(ctx context.Context, remote engine.Remote, w Wanted, o EnsureOptions, none *NoAdmin) (Report, error) {
	if note, ok := goodAsItIs(ctx, remote, w); ok {
		return Report{Notes: []string{note}}, nil
	}
	pg, own := remote.(engine.Writer)
	if !own {
		if rep, ok, err := ensureManaged(ctx, remote, w, o, none); ok || err != nil {
			return rep, err
		}
		return Report{}, fmt.Errorf("%w. Nothing was changed: the roles can be repaired only with the server stopped, in single-user mode", none)
	}
	rep := Report{SingleUser: true}
	o.say("No role can log in as superuser: stopping PostgreSQL to repair its roles in single-user mode")
	if err := stopForSingleUser(ctx, pg); err != nil {
		return rep, err
	}
	err := singleUser(ctx, pg, w, o, &rep)
	// Whatever happened, and also after Ctrl-C: the server ran before.
	again, cancel := interrupt.Cleanup(ctx, 2*time.Minute)
	defer cancel()
	if startErr := pg.Start(again); startErr != nil {
		return rep, errors.Join(err, fmt.Errorf("start PostgreSQL again after single-user mode: %w", startErr))
	}
	if err != nil {
		return rep, err
	}
	return rep, proveBootstrap(ctx, pg, w, o, &rep)
}

// goodAsItIs: without an administrator the application role can still be seen
// to be right, by logging in as it; stopping a server that works would be
// wrong. Where TCP asks for no password, that proves nothing about one.
func goodAsItIs(ctx context.Context, pg engine.Server, w Wanted) (string, bool) {
	addr, err := pg.HostAddr(ctx)
	if err != nil || addr == "" {
		return "", false
	}
	if Prove(ctx, addr, w, "") != nil || Prove(ctx, addr, w.otherPassword(), "") == nil {
		return "", false
	}
	conn, err := new(Startup).Owner(ctx, engine.OverTCP{Server: pg, At: w.At(addr)}, engine.Login{User: w.Role, Password: saslprep.Password(w.Password), Database: pglogin.DefaultDatabase})
	if err != nil {
		return "", false
	}
	defer closeConn(conn)
	var right bool
	if err := conn.QueryRow(ctx, `SELECT rolcreatedb AND NOT rolsuper FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) current_user`).Scan(&right); err != nil || !right {
		return "", false
	}
	names, err := superusers(ctx, conn)
	if err != nil || len(names) == 0 {
		return "", false
	}
	return fmt.Sprintf("role %s is correct; %s may log in as superuser, but not odpm over the server's own socket (pg_hba.conf, or a password that odpm does not know)", shown(w.Role), list(names)), true
}

// stopForSingleUser stops the server and makes sure that nobody has its data:
// a second writer destroys a cluster (measured: without an error, a minute
// later), and across containers PostgreSQL does not notice.
func stopForSingleUser(ctx context.Context, pg engine.Writer) error {
	if err := noHolder(ctx, pg, true); err != nil {
		return err
	}
	if err := pg.Stop(ctx); err != nil {
		return fmt.Errorf("stop PostgreSQL for single-user mode: %w", err)
	}
	return nil
}

func noHolder(ctx context.Context, pg engine.Writer, ownMayRun bool) error {
	holders, err := pg.Holders(ctx)
	if err != nil {
		return fmt.Errorf("find out who has the data directory, before single-user mode: %w", err)
	}
	for _, h := range holders {
		if h.Own && ownMayRun {
			continue
		}
		return fmt.Errorf("single-user mode needs the data directory to itself, and %s %s is using it; stop it: %s", h.Kind, h.Name, h.StopCommand)
	}
	return nil
}

// singleUser runs on the stopped data directory: first it reads, then it
// changes what has to be changed.
func singleUser(ctx context.Context, pg engine.Writer, w Wanted, o EnsureOptions, rep *Report) error {
	r, err := readStopped(ctx, pg)
	if err != nil {
		return err
	}
	p := policy{adminPassword: o.Hints.made()}
	if names := r.admins(w.Role); len(names) > 0 {
		// There are superusers, under names that nobody could guess; with a
		// running server they may be enough.
		if err := pg.Start(ctx); err != nil {
			return fmt.Errorf("start PostgreSQL to log in as %s: %w", list(names), err)
		}
		conn, err := admin(ctx, pg, withAdmin(o.Hints, names...), "", w.Role)
		if err == nil {
			defer func() { closeConn(conn) }()
			o.say("Found the superuser %s: PostgreSQL runs again", shown(conn.Config().User))
			live, err := ensureLive(ctx, pg, &conn, w, o)
			live.SingleUser = true
			*rep = live
			return err
		}
		var none *NoAdmin
		if !errors.As(err, &none) {
			return err
		}
		p.refused, p.free = true, none.free()
		if err := stopForSingleUser(ctx, pg); err != nil {
			return err
		}
	}
	if err := encodable(r, w); err != nil {
		return err
	}
	plan, err := planRoles(r, w, p)
	if err != nil {
		return err
	}
	rep.Notes = append(rep.Notes, plan.Reports...)
	if plan.NoChange() {
		return nil
	}
	if err := o.before(ctx, r.dump()); err != nil {
		return err
	}
	if err := noHolder(ctx, pg, false); err != nil {
		return err
	}
	lines := quietLines()
	for _, s := range plan.Statements {
		lines = append(lines, s.SQL+";")
	}
	if _, err := pg.SingleUser(ctx, strings.Join(lines, "\n")+"\n"); err != nil {
		return fmt.Errorf("repair the roles in single-user mode: %s", mask(err.Error()))
	}
	rep.Changed, rep.Done = true, plan.Masked()
	return nil
}

// quietLines are single-user mode's: it writes its log to stderr, which we read.
func quietLines() []string {
	return []string{"SET search_path = pg_catalog;", "SET log_min_error_statement = 'panic';", "SET log_statement = 'none';", "SET log_min_messages = 'warning';"}
}

var factsLine = regexp.MustCompile(`odpm-facts ([0-9a-f]+)`)

// readStopped reads the catalogs in single-user mode. Its results go to a
// console format on stdout; a warning on stderr is the one thing that comes
// back as it was said, and hex survives any encoding.
func readStopped(ctx context.Context, pg engine.Writer) (*roles, error) {
	if err := noHolder(ctx, pg, false); err != nil {
		return nil, err
	}
	facts, err := pg.Look(ctx)
	if err != nil {
		return nil, err
	}
	lines := append(quietLines(),
		"DO $odpm$ BEGIN RAISE WARNING 'odpm-facts %', pg_catalog.encode(pg_catalog.convert_to(("+rolesSQL(facts.Major*10000)+"), 'UTF8'), 'hex'); END $odpm$;")
	out, err := pg.SingleUser(ctx, strings.Join(lines, "\n")+"\n")
	if err != nil {
		return nil, fmt.Errorf("read the roles in single-user mode: %s", mask(err.Error()))
	}
	m := factsLine.FindStringSubmatch(out)
	if m == nil {
		return nil, fmt.Errorf("read the roles in single-user mode: it said nothing about them; its last line: %s", mask(lastLine(out)))
	}
	text, err := hex.DecodeString(m[1])
	if err != nil {
		return nil, err
	}
	return decodeRoles(string(text))
}

func lastLine(s string) string {
	s = strings.TrimRight(s, "\n")
	return s[strings.LastIndex(s, "\n")+1:]
}

// encodable: single-user mode reads its input in the database's own encoding.
func encodable(r *roles, w Wanted) error {
	if r.Encoding == "UTF8" || r.Encoding == "SQL_ASCII" || !strings.ContainsFunc(w.Role, func(c rune) bool { return c > unicode.MaxASCII }) {
		return nil
	}
	return fmt.Errorf("the role name %s cannot be used in single-user mode on a cluster with the encoding %s; use a plain name in odoo.conf (db_user), for example odoo", shown(w.Role), r.Encoding)
}

// proveBootstrap logs in over the socket as the administrator, reads the roles
// again, and logs in as the application role as Odoo will.
func proveBootstrap(ctx context.Context, pg engine.Writer, w Wanted, o EnsureOptions, rep *Report) error {
	conn, err := admin(ctx, pg, o.Hints, "", "")
	switch {
	case err == nil:
		defer func() { closeConn(conn) }()
		if rep.Changed {
			// The roles were kept as they were before the first change.
			o.BeforeChange = nil
		}
		more, err := ensureLive(ctx, pg, &conn, w, o)
		rep.Changed = rep.Changed || more.Changed
		rep.Done = append(rep.Done, more.Done...)
		rep.Notes = unique(append(rep.Notes, more.Notes...))
		if err != nil {
			return err
		}
	case errors.Is(err, ErrNoAdmin):
		rep.Notes = append(rep.Notes, "there is still no administrator that odpm can use: only the application role was repaired")
	default:
		return err
	}
	addr, err := pg.HostAddr(ctx)
	if err != nil || addr == "" {
		return err
	}
	var refused *pglogin.Error
	if err := Prove(ctx, addr, w, ""); errors.As(err, &refused) && !refused.Transient() {
		return fmt.Errorf("the roles were repaired in single-user mode, but the login as %s is still refused: %w", shown(w.Role), err)
	}
	return nil
}
