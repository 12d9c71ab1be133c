package pglogin

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/odpm/odpm/shared/libpq"
)

// reasonOf classifies what a server said, by SQLSTATE and Routine: Message and
// Severity are translated where lc_messages is not English.
func reasonOf(e *pgconn.PgError) Reason {
	switch e.Code {
	case "28P01":
		return WrongPassword
	case "28000":
		switch e.Routine {
		case "InitializeSessionUserId":
			return RoleNoLogin
		case "ClientAuthentication":
			return HBARejected
		case "auth_failed":
			return AuthMethod
		}
		return LoginRefused
	case "3D000":
		switch {
		case IsDatabaseInvalid(e):
			return DatabaseInvalid
		case WithoutTablespace(e):
			return LoginRefused
		}
		return DatabaseMissing
	case "42501":
		return NoConnectPrivilege
	case "55000":
		if IsDatabaseInvalid(e) {
			return DatabaseInvalid
		}
		return NotAcceptingConnections
	case "53300":
		return TooManyConnections
	case "25006":
		// A trigger on login (PostgreSQL 17) writes, and the server takes no writes now.
		return ServerBusy
	case "57P03":
		// The protocol gives no code for "starting", "recovering" and
		// "stopping"; only the not-yet-consistent state carries a detail.
		if e.Detail != "" {
			return Recovering
		}
		return StartingUp
	case "57P02":
		return Recovering
	case "57P01":
		return ShuttingDown
	}
	if len(e.Code) == 5 {
		switch e.Code[:2] {
		// Connection, resources, operator, system and internal errors pass, and so does
		// a rollback: a standby cancels what conflicts with its recovery (40001).
		// 55006 is a database that is being dropped or copied right now.
		case "08", "40", "53", "57", "58", "XX":
			return ServerBusy
		}
	}
	if e.Code == "55006" {
		return ServerBusy
	}
	return LoginRefused
}

// IsDatabaseInvalid says whether a login was refused because a drop of the database
// was cut short. PostgreSQL marks a database as invalid before it removes the files
// (since 15.4, 14.9, 13.12 and 12.16), and refuses it in InitPostgres; one that takes no
// connections is refused with the same SQLSTATE by CheckMyDatabase. Before that the row
// of a crash stayed as it was, and the directory was gone: the detail names that. A
// directory that is missing in a tablespace is WithoutTablespace's.
func IsDatabaseInvalid(e *pgconn.PgError) bool {
	switch e.Code {
	case "55000":
		return e.Routine == "InitPostgres"
	case "3D000":
		return strings.Contains(e.Detail, "base/")
	}
	return false
}

// WithoutTablespace says whether a login was refused because the database's directory
// is missing in a tablespace. Usually a disk is not mounted there, and everything is
// on it: such a database must not be taken for one that is gone.
func WithoutTablespace(e *pgconn.PgError) bool {
	return e.Code == "3D000" && strings.Contains(e.Detail, "pg_tblspc/")
}

// classify makes the *Error of an attempt out of everything that went wrong in
// it. Several hosts, and TLS with its fallback, give several errors: an answer
// that ends the matter (pgx tries no further host after it) counts most, then
// whatever may pass, then the last one.
func (h *host) classify(err error, a *attempt, database string) *Error {
	var best, broken *Error
	for _, leaf := range leaves(err) {
		e := h.classifyOne(leaf, a)
		if e.Reason == TLS && !errors.Is(e.err, errNoTLS) {
			broken = e
		}
		switch {
		case best == nil, rank(e) >= rank(best):
			best = e
		}
	}
	if best == nil {
		best = &Error{Reason: Closed}
	}
	if broken != nil && best != broken && best.wantsTLS() {
		// prefer: pgx went on without TLS after the handshake had failed, and the
		// refusal of that says less.
		broken.without = best
		best = broken
	}
	best.User, best.Database, best.err = h.conn.User, database, err
	if best.Reason == WrongPassword && h.conn.Password == "" {
		best.noPassword = true
		best.passfile = libpq.PassedOver()
	}
	if best.Addr == "" {
		best.Addr = h.firstAddr()
	}
	if last := a.dialled(); last != nil && best.Reason != DNS && best.Reason != Refused && best.Reason != Unreachable {
		best.Addr = last.addr
	}
	best.Addr = h.named(best.Addr)
	if w := best.without; w != nil {
		w.Addr, w.User, w.Database = best.Addr, best.User, best.Database
	}
	return best
}

// rank orders the errors of one attempt.
func rank(e *Error) int {
	switch {
	case e.SQLState == "28P01", e.SQLState == "3D000", e.SQLState == "42501":
		return 4
	case e.Transient():
		return 3
	case e.Reason == TLS && errors.Is(e.err, errNoTLS):
		// prefer: pgx went on without TLS, and that is the answer that counts.
		return 1
	}
	return 2
}

var errNoTLS = errors.New("the server offers none")

const nextTablespace = "mount the disk of the database's tablespace, and try again; to see where it belongs: psql -d postgres -c 'SELECT spcname, pg_tablespace_location(oid) FROM pg_tablespace'"

func (h *host) classifyOne(err error, a *attempt) *Error {
	var (
		pgErr  *pgconn.PgError
		dnsErr *net.DNSError
		opErr  *net.OpError
		proof  *proofError
	)
	switch {
	case errors.As(err, &proof):
		return &Error{Reason: Timeout, iterations: proof.iterations}
	case errors.As(err, &pgErr):
		e := &Error{Reason: reasonOf(pgErr), SQLState: oneLine(pgErr.Code), Routine: oneLine(pgErr.Routine), Server: oneLine(pgErr.Message), pooler: poolerOf(pgErr)}
		if e.pooler != "" {
			e.Reason = poolerReason(pgErr)
		}
		switch {
		case pgErr.Code == "57P03" && pgErr.Detail != "":
			// Only the detail tells a standby that is never to accept logins
			// (hot_standby = off) from one that soon will.
			e.Server = oneLine(pgErr.Message + ": " + pgErr.Detail)
		case WithoutTablespace(pgErr):
			e.Server, e.next = oneLine(pgErr.Message+": "+pgErr.Detail), nextTablespace
		}
		return e
	case errors.As(err, &dnsErr):
		return &Error{Reason: DNS, Addr: dnsErr.Name}
	case isRefused(err), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return &Error{Reason: Refused, Addr: addrOf(err)}
	case errors.As(err, &opErr) && opErr.Op == "dial":
		return &Error{Reason: Unreachable, Addr: addrOf(err), lost: isTimeout(err)}
	case a.foreign():
		return &Error{Reason: NotPostgreSQL}
	case isTLS(err):
		return tlsError(err)
	case isTimeout(err):
		if a.dialled() != nil {
			return &Error{Reason: Timeout, heard: a.heard.Load()}
		}
		return &Error{Reason: Unreachable}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		if h.direct() {
			return &Error{Reason: Closed, next: nextDirect}
		}
		return &Error{Reason: Closed}
	case strings.Contains(err.Error(), "server refused TLS connection"):
		// pgx's own text, not the server's; the answer was 'N'.
		return &Error{Reason: TLS, detail: errNoTLS.Error(), err: errNoTLS, next: nextNoTLS}
	}
	if strings.Contains(err.Error(), "SCRAM iteration count from server too high") {
		// pgx's own limit; libpq has none.
		return &Error{Reason: LoginRefused, iterations: maxIterations + 1}
	}
	// What is left is authentication that broke down on the client's side.
	return &Error{Reason: LoginRefused, detail: "the authentication that the server asks for did not complete"}
}

// leaves flattens errors.Join trees; a wrapped chain is one leaf.
func leaves(err error) []error {
	for e := err; e != nil; {
		if j, ok := e.(interface{ Unwrap() []error }); ok {
			var all []error
			for _, one := range j.Unwrap() {
				all = append(all, leaves(one)...)
			}
			return all
		}
		u, ok := e.(interface{ Unwrap() error })
		if !ok {
			break
		}
		e = u.Unwrap()
	}
	return []error{err}
}

// isRefused: ENOENT is a socket that does not exist yet.
func isRefused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT)
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, context.DeadlineExceeded) || pgconn.Timeout(err) || errors.As(err, &ne) && ne.Timeout()
}

// addrOf is the address that a dial error names.
func addrOf(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Addr != nil {
		return op.Addr.String()
	}
	return ""
}

func (h *host) firstAddr() string {
	_, addr := pgconn.NetworkAddress(h.conn.Host, h.conn.Port)
	return addr
}

// named shows an address under the name that the person wrote: "db:5432" says
// more than the address that the name had at the moment.
func (h *host) named(addr string) string {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		if strings.HasPrefix(addr, "/") || addr == "" {
			return addr
		}
		port = strconv.Itoa(int(h.conn.Port))
	}
	return net.JoinHostPort(h.conn.Host, port)
}
