package pglogin

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/odpm/odpm/shared/shell"
)

// Error is a login that did not succeed. It never holds a password.
type Error struct {
	Reason Reason
	// Addr is where it was tried, "db:5432"; User and Database as whom and to
	// what.
	Addr, User, Database string
	// SQLState and Routine are the server's, empty when it gave none.
	SQLState, Routine string
	// Server is the server's own message, in the server's language, on one
	// line; for people to read, never to be compared.
	Server string
	// Waited is set on the error that ends a Wait: the deadline passed.
	Waited time.Duration
	// Hosts are the states of all hosts that were asked, where there are several.
	Hosts []HostState

	detail string
	err    error
	// next is the next step, where the reason alone does not tell it.
	next string
	// local: a file or a setting on this side, not the server, is what is wrong.
	local bool
	// pooler names what spoke in the server's place.
	pooler string
	// final: waiting does not help, although the reason may pass.
	final bool
	// attrs is target_session_attrs; better is a host that libpq does not get to.
	attrs, better string
	// heard: it spoke PostgreSQL's protocol before it fell silent; lost: it did not even
	// accept, and said nothing else either.
	heard, lost bool
	// without is how the login ended that went on without TLS.
	without *Error
	// iterations: the server asks for so many of them under SCRAM.
	iterations int
	// noPassword: a password was wanted and there is none; passfile is a file
	// that libpq passes over for its mode.
	noPassword bool
	passfile   string
}

// Transient says whether waiting could have helped.
func (e *Error) Transient() bool { return e.Reason.Transient() && !e.final }

// Misconfigured says that nothing was tried: a setting or a file of this side
// cannot be used.
func (e *Error) Misconfigured() bool { return e.Reason == Settings || e.local }

// Unwrap gives pgconn's or the network's error.
func (e *Error) Unwrap() error { return e.err }

// IsTransient is true for an *Error that waiting may cure.
func IsTransient(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Transient()
}

// ReasonOf is the reason of an *Error anywhere in err's chain.
func ReasonOf(err error) (Reason, bool) {
	var e *Error
	if !errors.As(err, &e) {
		return 0, false
	}
	return e.Reason, true
}

// Error is one line: what happened, where, and the server's own words.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Waited > 0 {
		fmt.Fprintf(&b, "PostgreSQL was not ready after %s: ", e.Waited.Round(100*time.Millisecond))
	}
	b.WriteString(e.what())
	if e.SQLState != "" {
		b.WriteString(" (SQLSTATE " + e.SQLState)
		if e.Server != "" {
			b.WriteString(": " + e.words())
		}
		b.WriteString(")")
	}
	if e.without != nil {
		b.WriteString("; without TLS: " + e.without.Error())
	}
	if e.pooler != "" && e.Reason != Pooler {
		b.WriteString("; a connection pooler said so (" + e.pooler + ", by the form of its answer)")
	}
	for i, h := range e.Hosts {
		b.WriteString([]string{"; hosts: ", ", "}[min(i, 1)] + h.Addr + " " + h.Reason.String())
	}
	return b.String()
}

func (e *Error) what() string {
	switch e.Reason {
	case Settings:
		return e.detail
	case DNS:
		return fmt.Sprintf("host name %s does not resolve", e.host())
	case Refused:
		if strings.HasPrefix(e.Addr, "/") {
			return "no PostgreSQL listens on the socket " + e.Addr
		}
		return "nothing listens on " + e.Addr
	case Unreachable:
		return e.Addr + " cannot be reached over the network"
	case Closed:
		return e.Addr + " accepts connections but closes them at once, so PostgreSQL is not behind it yet"
	case Timeout:
		if e.iterations > 0 {
			return fmt.Sprintf("PostgreSQL on %s asks for %d SCRAM iterations to prove the password of role %s, which this machine cannot compute in time", e.Addr, e.iterations, quote(e.User))
		}
		if e.heard {
			return e.Addr + " speaks PostgreSQL's protocol but does not finish the login, like a connection pooler that cannot reach its server"
		}
		return e.Addr + " accepts connections but does not answer; it may not be PostgreSQL"
	case NotPostgreSQL:
		return "what listens on " + e.Addr + " is not PostgreSQL"
	case TLS:
		return "TLS with " + e.Addr + " is not possible as sslmode asks: " + e.detail
	case StartingUp:
		return "PostgreSQL on " + e.Addr + " is up but does not accept logins yet (starting, recovering after a crash, or stopping)"
	case Recovering:
		return "PostgreSQL on " + e.Addr + " is recovering"
	case ShuttingDown:
		return "PostgreSQL on " + e.Addr + " is shutting down"
	case TooManyConnections:
		return "PostgreSQL on " + e.Addr + " has no free connection for role " + quote(e.User)
	case ServerBusy:
		return "PostgreSQL on " + e.Addr + " could not serve the login"
	case WrongPassword:
		if e.passfile != "" {
			return fmt.Sprintf("PostgreSQL on %s asks for the password of role %s, but none is set: the password file %s is ignored, since others may read it", e.Addr, quote(e.User), quote(e.passfile))
		}
		if e.noPassword {
			return fmt.Sprintf("PostgreSQL on %s asks for the password of role %s, but none is set", e.Addr, quote(e.User))
		}
		return fmt.Sprintf("PostgreSQL on %s refused role %s: wrong password, or no such role", e.Addr, quote(e.User))
	case RoleNoLogin:
		return fmt.Sprintf("PostgreSQL on %s refused role %s: it does not exist or may not log in", e.Addr, quote(e.User))
	case HBARejected:
		return fmt.Sprintf("pg_hba.conf of PostgreSQL on %s does not let role %s connect to database %s from here", e.Addr, quote(e.User), quote(e.Database))
	case AuthMethod:
		return fmt.Sprintf("PostgreSQL on %s asks role %s for proof other than a password (peer, ident or a certificate)", e.Addr, quote(e.User))
	case DatabaseMissing:
		return fmt.Sprintf("database %s does not exist on %s", quote(e.Database), e.Addr)
	case NoConnectPrivilege:
		return fmt.Sprintf("role %s may not CONNECT to database %s on %s", quote(e.User), quote(e.Database), e.Addr)
	case Pooler:
		return e.poolerWhat()
	case Standby:
		return "PostgreSQL on " + e.Addr + " is a standby, where Odoo cannot write" + e.taken()
	case ReadOnly:
		return "PostgreSQL on " + e.Addr + " takes no writes now (default_transaction_read_only is on, as during a switchover)" + e.taken()
	case Primary:
		return "PostgreSQL on " + e.Addr + " is a primary, but target_session_attrs asks for " + e.attrs
	case NotAcceptingConnections:
		return fmt.Sprintf("database %s on %s does not accept connections", quote(e.Database), e.Addr)
	case DatabaseInvalid:
		return fmt.Sprintf("database %s on %s is invalid: PostgreSQL was interrupted while dropping it, so nothing in it can be read any more", quote(e.Database), e.Addr)
	}
	if e.iterations > 0 {
		return fmt.Sprintf("PostgreSQL on %s asks for more than %d SCRAM iterations to prove the password of role %s, which is more than allowed here", e.Addr, maxIterations, quote(e.User))
	}
	s := fmt.Sprintf("PostgreSQL on %s refused the login of role %s", e.Addr, quote(e.User))
	if e.detail != "" && e.SQLState == "" {
		s += ": " + e.detail
	}
	return s
}

// taken says which server libpq would have to be asked for.
func (e *Error) taken() string {
	if e.better == "" {
		return ""
	}
	return "; it comes before " + e.better + ", which takes writes, and libpq takes the first that answers"
}

// Next is the exact next step for a person, in one line.
func (e *Error) Next() string {
	admin, compose := e.admin()
	if e.iterations > 0 {
		next := fmt.Sprintf(`set the password again with fewer: %s -c 'SET scram_iterations = 4096' -c '\password %s'`, admin, ident(e.User))
		if e.Reason == Timeout {
			next = "allow more time (--attempt-timeout 1m), or " + next
		}
		return next
	}
	switch {
	case e.next != "":
		return e.next
	case e.pooler != "" && (e.Reason == Pooler || e.Reason == WrongPassword || e.Reason == DatabaseMissing):
		return e.poolerNext()
	}
	switch e.Reason {
	case Settings:
		return "correct the setting that is named"
	case Standby, ReadOnly:
		if e.better != "" {
			return "let libpq, and so Odoo, look for the primary: PGTARGETSESSIONATTRS=read-write"
		}
		if e.Reason == ReadOnly {
			return fmt.Sprintf(`see where it is set: psql -h %s -p %s -U %s -d %s -c "SELECT setting, source, sourcefile FROM pg_settings WHERE name = 'default_transaction_read_only'"`, e.host(), e.port(), Shown(e.User), Shown(e.Database))
		}
		return fmt.Sprintf(`set db_host to the primary; the standby follows: psql -h %s -p %s -U postgres -c "SELECT sender_host, sender_port FROM pg_stat_wal_receiver"; a standby on purpose: --allow-standby`, e.host(), e.port())
	case Primary:
		return "add the standby to db_host, or change target_session_attrs (PGTARGETSESSIONATTRS)"
	case DNS:
		switch {
		case compose:
			return "correct db_host, or start the service of that name: docker compose up -d " + e.host()
		case inPod():
			return "correct db_host; the Services there are: kubectl get services --all-namespaces"
		}
		return "correct db_host, or see why the name is not known here: getent hosts " + shell.Quote(e.host())
	case Refused, Unreachable, Closed, Timeout:
		if e.heard {
			return "read the log of what listens there; behind a pooler see why it cannot log in to its server: the server may be away, or its TLS settings or the pooler's password for it (auth_file) may be wrong"
		}
		if compose {
			return "see why PostgreSQL is not up: docker compose logs --tail 50 " + e.host()
		}
		return "check that PostgreSQL runs there: pg_isready -h " + e.host() + " -p " + e.port()
	case NotPostgreSQL:
		return "correct db_host and db_port"
	case StartingUp, Recovering, ShuttingDown, ServerBusy:
		if compose {
			return "read the server's log: docker compose logs --tail 50 " + e.host()
		}
		return "read the server's log; recovery of a large database takes longer: --timeout 10m"
	case TooManyConnections:
		return "see who holds them: " + admin + ` -c "SELECT usename, datname, count(*) FROM pg_stat_activity GROUP BY 1, 2"`
	case WrongPassword:
		if e.passfile != "" {
			return "chmod 600 " + shell.Quote(oneLine(e.passfile))
		}
		if e.noPassword {
			return "set db_password in odoo.conf, or PGPASSWORD"
		}
		return "a cluster keeps the roles and passwords that it was created with; to update them: odpm database ensure-role"
	case RoleNoLogin:
		return "odpm database ensure-role"
	case HBARejected, AuthMethod:
		return "see its rules: " + admin + ` -c "SELECT * FROM pg_hba_file_rules"`
	case DatabaseMissing:
		return fmt.Sprintf(`%s -d template1 -c 'CREATE DATABASE %s'`, admin, ident(e.Database))
	case NoConnectPrivilege:
		return fmt.Sprintf(`%s -c 'GRANT CONNECT ON DATABASE %s TO %s'`, admin, ident(e.Database), ident(e.User))
	case NotAcceptingConnections:
		// A restore that was interrupted closes it until its files are in place.
		return fmt.Sprintf(`after an interrupted restore: odpm; otherwise: %s -d template1 -c 'ALTER DATABASE %s ALLOW_CONNECTIONS true'`, admin, ident(e.Database))
	case DatabaseInvalid:
		drop := fmt.Sprintf(`%s -d template1 -c 'DROP DATABASE %s'`, admin, ident(e.Database))
		if e.Database == DefaultDatabase {
			return drop + fmt.Sprintf(` -c 'CREATE DATABASE %s TEMPLATE template0'`, ident(e.Database))
		}
		return fmt.Sprintf("drop what is left of it: odpm -d %s --db-drop; without odpm: %s", shell.Quote(Shown(e.Database)), drop)
	}
	return "odpm database status"
}

// admin is the command with which a superuser asks the server, and whether that is by
// docker compose: a name without dots is taken for a service of it, unless there are
// several hosts or this is a pod.
func (e *Error) admin() (command string, compose bool) {
	h := e.host()
	// With its zone, fe80::1%eth0.
	ip, err := netip.ParseAddr(h)
	switch {
	case h == "", h == "localhost", strings.HasPrefix(h, "/"), ip.IsLoopback():
		return "psql -U postgres", false
	case err == nil, strings.ContainsAny(h, ".,"), len(e.Hosts) > 1, inPod():
		return "psql -h " + shell.Quote(h) + " -p " + e.port() + " -U postgres", false
	}
	return "docker compose exec " + h + " psql -U postgres", true
}

// inPod: Kubernetes gives this variable to each container.
func inPod() bool { return os.Getenv("KUBERNETES_SERVICE_HOST") != "" }

func (e *Error) host() string {
	if h, _, err := net.SplitHostPort(e.Addr); err == nil {
		return h
	}
	if i := strings.LastIndex(e.Addr, "/.s.PGSQL."); i >= 0 {
		return e.Addr[:i]
	}
	return e.Addr
}

func (e *Error) port() string {
	if _, p, err := net.SplitHostPort(e.Addr); err == nil {
		return p
	}
	if i := strings.LastIndex(e.Addr, "/.s.PGSQL."); i >= 0 {
		return e.Addr[i+len("/.s.PGSQL."):]
	}
	return "5432"
}

// words are the server's, which repeat the names that it was given.
func (e *Error) words() string {
	text := e.Server
	for _, name := range []string{e.User, e.Database} {
		if shown := Shown(name); shown != name && name != "" {
			text = strings.ReplaceAll(text, name, shown)
		}
	}
	return text
}

// quote shows a name so that no control character reaches a terminal.
func quote(s string) string { return strconv.Quote(Shown(s)) }

// ident quotes a name for SQL inside single quotes of a shell.
func ident(s string) string {
	s = strings.ReplaceAll(Shown(s), `"`, `""`)
	return `"` + strings.ReplaceAll(oneLine(s), `'`, `'\''`) + `"`
}

// oneLine makes a server's text fit for a log line.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		// What turns the writing direction would let a text pass for another.
		if unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, s)
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "…"
	}
	return strings.TrimSpace(s)
}

func configError(text string) *Error { return &Error{Reason: Settings, detail: text} }
