package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os/user"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/host/engine"
)

// defaultAdmin is the administrator that odpm makes where there is none, and
// spareAdmin the one where a role of that name exists and is an ordinary one.
const (
	defaultAdmin = "postgres"
	spareAdmin   = "odpm_admin"
)

// ErrNoAdmin: no role can log in as superuser over the server's own socket.
var ErrNoAdmin = errors.New("no role can log in as superuser")

// NoAdmin is ErrNoAdmin with what was tried.
type NoAdmin struct {
	Attempts []Attempt
	// Superusers are the cluster's that have LOGIN, where a lesser role could
	// look; nil where nobody could.
	Superusers []string
	// Remote: they were tried over the network.
	Remote bool
	// AdminURL is the variable that names the administrator of a server elsewhere, ""
	// for one that odpm runs.
	AdminURL string
}

// Attempt is one login over the socket that gave no administrator.
type Attempt struct {
	Role string
	// SQLState is the server's answer, "" for a login that worked as an
	// ordinary role.
	SQLState, Routine string
}

func (n *NoAdmin) Error() string {
	var tried []string
	for _, a := range n.Attempts {
		tried = append(tried, fmt.Sprintf("%s (%s)", shown(a.Role), a.why()))
	}
	if n.AdminURL != "" {
		return fmt.Sprintf("no role can log in as superuser; tried %s. Name an administrator of that server in the environment: %s=postgresql://USER:PASSWORD@HOST", strings.Join(tried, ", "), n.AdminURL)
	}
	if n.Remote {
		return "no role can log in as superuser; tried " + strings.Join(tried, ", ")
	}
	return "no role can log in as superuser over the server's own socket; tried " + strings.Join(tried, ", ")
}

// free are the names whose login failed for want of a role with LOGIN alone.
func (n *NoAdmin) free() []string {
	var out []string
	for _, a := range n.Attempts {
		if a.SQLState == "28000" && a.Routine == "InitializeSessionUserId" {
			out = append(out, a.Role)
		}
	}
	return out
}

func (n *NoAdmin) Is(target error) bool { return target == ErrNoAdmin }

func (a Attempt) why() string {
	switch {
	case a.SQLState == "":
		return "not a superuser"
	case a.SQLState == "28P01":
		return "password refused"
	case a.SQLState == "28000" && a.Routine == "InitializeSessionUserId":
		return "missing or not allowed to log in"
	case a.SQLState == "28000" && a.Routine == "ClientAuthentication":
		return "refused by pg_hba.conf"
	case a.SQLState == "28000":
		return "it asks for a different operating-system user"
	}
	return a.SQLState
}

// candidates are the names to try, each once, the application role late: an
// administrator other than it is worth more.
func (h Hints) candidates() []string {
	names := append(slices.Clone(h.Admins), defaultAdmin)
	if h.App.Role != "" {
		names = append(names, h.App.Role)
	}
	names = append(names, "odoo", spareAdmin)
	if u, err := user.Current(); err == nil {
		// initdb without -U names the superuser after the person who ran it.
		names = append(names, u.Username)
	}
	return unique(names)
}

func unique(names []string) []string {
	var out []string
	for _, n := range names {
		if n != "" && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

func (h Hints) passwordOf(role string) string {
	if role == h.App.Role && h.App.Password != "" {
		return h.App.Password
	}
	if h.Made != "" && (role == defaultAdmin || role == spareAdmin) && !slices.Contains(h.Admins, role) {
		return h.Made
	}
	return h.Password
}

// made is the password of an administrator that odpm has to make.
func (h Hints) made() string { return cmp.Or(h.Made, h.Password) }

// Admin connects to a database as a superuser over the server's own socket;
// database "" is postgres. The error is a *NoAdmin (ErrNoAdmin) where the server
// answered and nobody may in.
func Admin(ctx context.Context, pg engine.Server, h Hints, database string) (*Session, error) {
	return admin(ctx, pg, h, database, "")
}

// admin leaves out one role: the application role before it is demoted.
func admin(ctx context.Context, pg engine.Server, h Hints, database, except string) (*Session, error) {
	_, own := pg.(engine.Reader)
	none := &NoAdmin{Remote: !own, AdminURL: h.AdminURL}
	var full error
	queue := h.candidates()
	for i := 0; i < len(queue); i++ {
		role := queue[i]
		if role == except {
			continue
		}
		conn, super, err := login(ctx, pg, h, role, database)
		if h.Made != "" && h.passwordOf(role) == h.Made && sqlState(err) == "28P01" {
			// It is the image's own, or an earlier odpm made it.
			other := h
			other.Made = ""
			conn, super, err = login(ctx, pg, other, role, database)
		}
		if a, refused := refusal(role, err); refused {
			none.Attempts = append(none.Attempts, a)
			continue
		}
		if sqlState(err) == "53300" {
			// A database that is closed to others (CONNECTION LIMIT 0) lets a superuser
			// in, and a role that is none any more is tried first under ODPM_COMPOSE=keep.
			full = err
			continue
		}
		if err != nil {
			return nil, err
		}
		if super {
			return conn, nil
		}
		none.Attempts = append(none.Attempts, Attempt{Role: role})
		more, err := superusers(ctx, conn)
		closeConn(conn)
		if err != nil {
			return nil, err
		}
		none.Superusers = more
		queue = unique(append(queue, more...))
	}
	if full != nil {
		return nil, full
	}
	return nil, none
}

// WithPath is another session of the same role's in the same database that begins with
// that search_path. It is for a database in which nobody else has made anything yet.
func (s *Session) WithPath(ctx context.Context, path string) (*Session, error) {
	conf := s.Config()
	conf.RuntimeParams["search_path"] = path
	conn, err := pgx.ConnectConfig(ctx, conf)
	if err != nil {
		return nil, err
	}
	return &Session{conn}, nil
}

// anyLogin connects as whoever may in, a superuser if there is one.
func anyLogin(ctx context.Context, pg engine.Server, h Hints) (*Session, bool, error) {
	conn, err := admin(ctx, pg, h, "", "")
	var none *NoAdmin
	if err == nil || !errors.As(err, &none) {
		return conn, err == nil, err
	}
	for _, a := range none.Attempts {
		if a.SQLState == "" {
			conn, _, err := login(ctx, pg, h, a.Role, "")
			return conn, false, err
		}
	}
	return nil, false, none
}

// login is one attempt, and says whether the role is a superuser.
func login(ctx context.Context, pg engine.Server, h Hints, role, database string) (*Session, bool, error) {
	databases := []string{database}
	if database == "" {
		// People do drop postgres; template1 is then the one that is there.
		databases = []string{"postgres", "template1"}
	}
	if h.Startup == nil {
		h.Startup = &Startup{}
	}
	dial := &dialer{Server: pg}
	var err error
	for _, db := range databases {
		var conn *Session
		var super bool
		conn, super, err = h.Startup.login(ctx, dial, engine.Login{User: role, Password: h.passwordOf(role), Database: db})
		if err == nil {
			return conn, super, nil
		}
		if dial.err != nil {
			return nil, false, &unreached{dial.err}
		}
		if code := sqlState(err); code != "3D000" && code != "55000" && code != "42501" {
			break
		}
	}
	return nil, false, err
}

// errThroughPooler: what protects a session was not passed on, and nothing says
// that the next statement meets the same server process.
var errThroughPooler = errors.New("a connection pooler answers, which does not pass on what protects a superuser's session; set the server's own address instead")

// login tries as a superuser first: the server refuses some of the parameters
// to everybody else, before anything is run.
func (s *Startup) login(ctx context.Context, pg engine.Server, l engine.Login) (*Session, bool, error) {
	protected := true
	conn, err := s.open(ctx, pg, l, adminParameters)
	if sqlState(err) == "42501" {
		protected = false
		conn, err = s.open(ctx, pg, l, lesserParameters)
	}
	if pooler(err) {
		l.Params = nil
		conn, err = engine.Connect(ctx, pg, l)
	}
	if err != nil {
		return nil, false, err
	}
	var super bool
	var path string
	err = conn.QueryRow(ctx, `SELECT rolsuper, pg_catalog.current_setting('search_path') FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) session_user`).Scan(&super, &path)
	if err == nil && super && !(protected && path == "pg_catalog") {
		err = errThroughPooler
	}
	if err != nil {
		closeConn(conn)
		return nil, false, err
	}
	return &Session{conn}, super, nil
}

// dialer keeps the error of Dial: pgx folds it into one of its own, where it
// could be taken for an answer of the server.
type dialer struct {
	engine.Server
	err error
}

func (d *dialer) Dial(ctx context.Context) (net.Conn, error) {
	var c net.Conn
	c, d.err = d.Server.Dial(ctx)
	return c, d.err
}

// unreached is a server that was not asked at all: whatever the words say (a
// variable's name has "GSS" in it), it has refused nobody.
type unreached struct{ error }

func (u *unreached) Unwrap() error { return u.error }

func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// refusal tells an answer about this role from a server that cannot be asked:
// only the first kind may ever lead to single-user mode.
func refusal(role string, err error) (Attempt, bool) {
	var e *pgconn.PgError
	var u *unreached
	switch {
	case err == nil, errors.As(err, &u):
		return Attempt{}, false
	case errors.As(err, &e):
		return Attempt{Role: role, SQLState: e.Code, Routine: e.Routine}, strings.HasPrefix(e.Code, "28") || e.Code == "42501"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), pgconn.Timeout(err):
		return Attempt{}, false
	case strings.Contains(err.Error(), "SASL"), strings.Contains(err.Error(), "GSS"), strings.Contains(err.Error(), "unknown authentication message"):
		// pgx gave up in the middle of the authentication.
		return Attempt{Role: role, SQLState: "28P01"}, true
	}
	return Attempt{}, false
}

// superusers that may log in; every role can see them.
func superusers(ctx context.Context, conn querier) ([]string, error) {
	rows, err := conn.Query(ctx, `SELECT rolname::pg_catalog.text FROM pg_catalog.pg_roles WHERE rolsuper AND rolcanlogin ORDER BY oid`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// querier is a session, ours or an owner's.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func closeConn(conn interface{ Close(context.Context) error }) { engine.Close(conn) }

// shown is a name for a message; no control character reaches a terminal.
func shown(name string) string { return fmt.Sprintf("%q", name) }
