package pglogin

// Reason is why a login did not succeed.
type Reason int

// The reasons, in the order in which a connection meets them.
const (
	// Settings: the settings cannot be used; nothing was tried.
	Settings Reason = iota
	// DNS: a host name does not resolve.
	DNS
	// Refused: nobody listens on the port, or the socket does not exist.
	Refused
	// Unreachable: no route, or packets get lost.
	Unreachable
	// Closed: the peer accepts and closes without a word. docker-proxy does
	// that while the container behind a published port does not listen.
	Closed
	// Timeout: the peer accepts and says nothing.
	Timeout
	// NotPostgreSQL: the peer talks another protocol.
	NotPostgreSQL
	// TLS: the server does not offer what sslmode demands, or its certificate
	// does not satisfy it.
	TLS
	// StartingUp: 57P03; PostgreSQL is starting, which includes crash recovery.
	StartingUp
	// Recovering: 57P03 with the detail that recovery has not reached a
	// consistent state, or 57P02.
	Recovering
	// ShuttingDown: 57P01.
	ShuttingDown
	// TooManyConnections: 53300.
	TooManyConnections
	// ServerBusy: another failure of classes 53, 57, 58, 08 or XX.
	ServerBusy
	// WrongPassword: 28P01. A missing role, a role without a password and an
	// expired one give the same answer, on purpose.
	WrongPassword
	// RoleNoLogin: 28000 by InitializeSessionUserId: the role has no LOGIN,
	// or, where no password was asked for, does not exist.
	RoleNoLogin
	// HBARejected: 28000 by ClientAuthentication: pg_hba.conf rejects, or has
	// no line.
	HBARejected
	// AuthMethod: 28000 by auth_failed: peer, ident, certificate and the like.
	AuthMethod
	// DatabaseMissing: 3D000.
	DatabaseMissing
	// NoConnectPrivilege: 42501.
	NoConnectPrivilege
	// NotAcceptingConnections: 55000, ALLOW_CONNECTIONS false.
	NotAcceptingConnections
	// DatabaseInvalid: 55000 too, or 3D000 for want of its directory: a drop of it was
	// cut short, and it can only be dropped.
	DatabaseInvalid
	// LoginRefused: the server refused for a reason of its own.
	LoginRefused
	// Pooler: a connection pooler in front of the server refused.
	Pooler
	// Primary: the login works, but target_session_attrs asks for a standby.
	Primary
	// ReadOnly: the login works, but the server takes no writes:
	// default_transaction_read_only is on, as during a switchover.
	ReadOnly
	// Standby: the login works, but the server is a standby.
	Standby
)

var reasonNames = [...]string{
	Settings:                "configuration",
	DNS:                     "dns",
	Refused:                 "refused",
	Unreachable:             "unreachable",
	Closed:                  "closed",
	Timeout:                 "timeout",
	NotPostgreSQL:           "not_postgresql",
	TLS:                     "tls",
	StartingUp:              "starting_up",
	Recovering:              "recovering",
	ShuttingDown:            "shutting_down",
	TooManyConnections:      "too_many_connections",
	ServerBusy:              "server_busy",
	WrongPassword:           "role_missing_or_wrong_password",
	RoleNoLogin:             "role_no_login",
	HBARejected:             "hba_rejected",
	AuthMethod:              "auth_method",
	DatabaseMissing:         "database_missing",
	NoConnectPrivilege:      "no_connect_privilege",
	NotAcceptingConnections: "not_accepting_connections",
	DatabaseInvalid:         "database_invalid",
	LoginRefused:            "login_refused",
	Pooler:                  "pooler_refused",
	Primary:                 "primary",
	ReadOnly:                "read_only",
	Standby:                 "standby",
}

// String is the reason's name in logs and JSON; names are a contract.
func (r Reason) String() string {
	if r < 0 || int(r) >= len(reasonNames) {
		return "unknown"
	}
	return reasonNames[r]
}

// Transient says whether waiting can help.
func (r Reason) Transient() bool {
	switch r {
	case DNS, Refused, Unreachable, Closed, Timeout, StartingUp, Recovering,
		ShuttingDown, TooManyConnections, ServerBusy, Pooler, Primary, ReadOnly, Standby:
		return true
	}
	return false
}
