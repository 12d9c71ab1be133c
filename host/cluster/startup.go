package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"github.com/odpm/odpm/host/engine"
)

// Startup opens odpm's sessions on one server and remembers the server's
// major, which decides what it may be asked for. The zero value is ready.
//
// A database's owner decides how sessions in it begin (ALTER DATABASE … SET),
// and a role how its own do. What a startup packet says comes before both, and
// before the first statement, so everything that protects a session is there.
type Startup struct {
	// major is the server's, 0 until one has answered.
	major int32
}

// parameter is one that a session begins with.
type parameter struct {
	name, value string
	// since is the first major that knows it; an older server refuses a login
	// that names it.
	since int
}

// everySession: no limit ends our work, no setting changes what our statements
// mean or how answers are written, nothing is loaded into the session, and no
// tree of a statement goes to the server's log.
var everySession = []parameter{
	{"role", "none", 0},
	{"statement_timeout", "0", 0},
	{"lock_timeout", "0", 0},
	{"idle_in_transaction_session_timeout", "0", 0},
	{"idle_session_timeout", "0", 14},
	{"transaction_timeout", "0", 17},
	{"tcp_user_timeout", "0", 0},
	{"exit_on_error", "off", 0},
	{"default_transaction_read_only", "off", 0},
	{"default_transaction_deferrable", "off", 0},
	{"default_transaction_isolation", "read committed", 0},
	{"local_preload_libraries", "", 0},
	{"row_security", "off", 0}, // an error, and not rows that are left out
	{"client_min_messages", "warning", 0},
	{"DateStyle", "ISO, MDY", 0},
	{"IntervalStyle", "postgres", 0},
	{"standard_conforming_strings", "on", 0},
	{"bytea_output", "hex", 0},
	{"array_nulls", "on", 0},
	{"quote_all_identifiers", "off", 0},
	{"transform_null_equals", "off", 0},
	{"debug_print_parse", "off", 0},
	{"debug_print_rewritten", "off", 0},
	{"debug_print_plan", "off", 0},
	{"log_parameter_max_length_on_error", "0", 13},
}

// catalogsOnly: a name without a schema means PostgreSQL's own object and
// nothing that somebody has put into a database.
var catalogsOnly = []parameter{
	{"search_path", "pg_catalog", 0},
	{"TimeZone", "UTC", 0},
}

// likeOdoo: triggers of a database look for its tables where Odoo's own
// sessions would find them.
var likeOdoo = []parameter{{"search_path", `"$user", public`, 0}}

// superuserOnly needs a superuser even in a startup packet. Statements carry
// verifiers, so none of them is logged, also where it fails; extensions that
// log statements or keep their text are named too (a parameter of one that is
// not loaded is accepted). Messages are in English.
var superuserOnly = []parameter{
	{"session_preload_libraries", "", 0},
	{"event_triggers", "off", 17}, // one for logins would run as superuser
	{"log_statement", "none", 0},
	{"log_min_duration_statement", "-1", 0},
	{"log_min_duration_sample", "-1", 13},
	{"log_min_error_statement", "panic", 0},
	{"log_transaction_sample_rate", "0", 0},
	{"log_parameter_max_length", "0", 13},
	{"log_error_verbosity", "default", 0},
	{"log_duration", "off", 0},
	{"lc_messages", "C", 0},
	{"pg_stat_statements.track", "none", 0},
	{"pgaudit.log", "none", 0},
	{"auto_explain.log_min_duration", "-1", 0},
}

var (
	adminParameters  = slices.Concat(everySession, catalogsOnly, superuserOnly)
	lesserParameters = slices.Concat(everySession, catalogsOnly)
	ownerParameters  = slices.Concat(everySession, likeOdoo)
)

// StartupOf begins with a major that the server is expected to have: one login
// less than to find out.
func StartupOf(major int) *Startup { return &Startup{major: int32(major)} }

// Session is a connection in which nothing that a database's owner has made is
// run or believed, as long as it reads only catalogs (or tables with COPY … TO,
// in which no expression is evaluated). It is a superuser's, but where its maker
// says otherwise.
type Session struct{ *pgx.Conn }

// Owner opens a session as the owner of what is in a database, who is no
// superuser: what an owner's objects do there, they do with the owner's rights.
func (s *Startup) Owner(ctx context.Context, pg engine.Server, l engine.Login) (*pgx.Conn, error) {
	conn, err := s.open(ctx, pg, l, ownerParameters)
	if pooler(err) {
		l.Params = nil
		conn, err = engine.Connect(ctx, pg, l)
	}
	return conn, err
}

// majors are those at which parameters were added, the newest first.
var majors = []int{17, 14, 13, 12}

// open tries with what the newest servers know, and with less where the answer
// is that there is no such parameter: the version shows only after a login.
func (s *Startup) open(ctx context.Context, pg engine.Server, l engine.Login, ps []parameter) (*pgx.Conn, error) {
	major := int(atomic.LoadInt32(&s.major))
	if major == 0 {
		major = majors[0]
	}
	for {
		l.Params = packet(ps, major)
		l.Params["session_authorization"] = l.User
		conn, err := engine.Connect(ctx, pg, l)
		if err != nil {
			i := slices.IndexFunc(majors, func(m int) bool { return m <= major })
			if sqlState(err) != "42704" || i < 0 || i+1 == len(majors) {
				return nil, err
			}
			major = majors[i+1]
			continue
		}
		seen := majorOf(conn)
		atomic.StoreInt32(&s.major, int32(seen))
		if len(packet(ps, seen)) <= len(packet(ps, major)) {
			return conn, nil
		}
		// A newer server than the one that was remembered.
		closeConn(conn)
		major = seen
	}
}

// packet gives what a server of that major is asked for.
func packet(ps []parameter, major int) map[string]string {
	out := map[string]string{}
	for _, p := range ps {
		if p.since <= major {
			out[p.name] = p.value
		}
	}
	return out
}

// majorOf reads "15.18 (Debian 15.18-0+deb12u1)" and "17beta1".
func majorOf(conn *pgx.Conn) int {
	v := conn.PgConn().ParameterStatus("server_version")
	if i := strings.IndexFunc(v, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		v = v[:i]
	}
	n, _ := strconv.Atoi(v)
	return n
}

// pooler: PgBouncer refuses what it does not know in a startup packet.
func pooler(err error) bool { return sqlState(err) == "08P01" }

// AdminOptions and OwnerOptions are PGOPTIONS, as KEY=VALUE, for a client
// program of PostgreSQL that logs in to a server of that major: the same as in
// sessions of our own.
func AdminOptions(major int) string { return options(adminParameters, major) }
func OwnerOptions(major int) string { return options(ownerParameters, major) }

func options(ps []parameter, major int) string {
	p := packet(ps, major)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(p)) {
		out = append(out, fmt.Sprintf("-c %s=%s", name, strings.NewReplacer(`\`, `\\`, " ", `\ `).Replace(p[name])))
	}
	return "PGOPTIONS=" + strings.Join(out, " ")
}
