// Package pglogin proves that a role can log in to PostgreSQL: it waits for
// TCP, logs in through pgconn as an explicit user, and says of every failure
// whether waiting can help. Both programs use it: the checker in front of Odoo
// and the host's probes of a native server.
package pglogin

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/odpm/odpm/shared/libpq"
)

// DefaultDatabase is where Odoo lists and creates databases, so it is the one
// that has to accept the login.
const DefaultDatabase = "postgres"

// DefaultAttemptTimeout bounds one login. pgconn sets no limit of its own, so
// that a peer which accepts and then says nothing would hold us for ever.
const DefaultAttemptTimeout = 10 * time.Second

// dialTimeout bounds one TCP connect: a packet filter that drops packets must
// not keep us from noticing that the server has come up meanwhile.
const dialTimeout = 2 * time.Second

// Config is one connection. Members that are empty follow libpq's rules
// (package libpq): PG* variables, the service and password files, defaults.
type Config struct {
	// Host is a name, an address or a socket directory; several are separated
	// by commas and tried in order.
	Host string
	// Port is 0 for PGPORT or 5432.
	Port int
	// Ports are several, separated by commas, one for each of Host; "" is Port.
	Ports string
	// User is the role; "" is that of the connection service, else PGUSER, else
	// the operating-system user, resolved by us so that the user of a connection
	// is always explicit.
	User string
	// Password is "" for PGPASSWORD or the password file.
	Password string
	// Database is "" for DefaultDatabase; PGDATABASE is not consulted.
	Database string
	// Also are further databases to prove. One that is missing is fine: Odoo
	// will create it.
	Also []string
	// SSLMode is "" for PGSSLMODE, else prefer.
	SSLMode string
	// RootCert and PassFile are package libpq's: files that a person names.
	RootCert, PassFile string
	// Writes demands a server that takes writes where target_session_attrs (which
	// Explicit leaves out, but for SessionAttrs) says nothing.
	Writes bool
	// SessionAttrs is target_session_attrs, "" for PGTARGETSESSIONATTRS.
	SessionAttrs string
	// Explicit is set where the connection is not for this process's environment
	// to change: PGHOSTADDR would lead to another server.
	Explicit bool
	// Addr and TLSFiles are package libpq's, for Explicit: the address to connect
	// to in the place of Host, and whether the files of TLS are looked for.
	Addr     string
	TLSFiles bool
	// AttemptTimeout is 0 for DefaultAttemptTimeout.
	AttemptTimeout time.Duration
	// ApplicationName is what pg_stat_activity and the server's log show.
	ApplicationName string
}

// Result is what the server said about itself and the role.
type Result struct {
	// Addr is the address that answered, "127.0.0.1:5432" or a socket's path;
	// Endpoint is the same by the name that was given, "db:5432".
	Addr, Endpoint string
	// User is the role as the server knows it.
	User string
	// VersionNum is server_version_num: 150018 is 15.18.
	VersionNum int
	// SystemIdentifier is pg_control's, in decimal; "" where the role may not
	// ask (managed services revoke the function).
	SystemIdentifier string
	// InRecovery is set on a standby: Odoo could log in and not write. ReadOnly
	// is set there, and where default_transaction_read_only is on.
	InRecovery, ReadOnly bool
	// Pooler is set where something stands between us and the server that hands
	// out the server's sessions (PgBouncer and the like).
	Pooler bool
	// Stale is set where target_session_attrs is set and what the pooler says of
	// the server with a login, which libpq believes, is not so any more.
	Stale bool
	// Unknown are those of Config.Also that the pooler does not know.
	Unknown []string
	// Silent are hosts before this one that did not answer in their time. libpq
	// waits for each without end where connect_timeout is not set; Unlimited
	// says that it is not.
	Silent    []string
	Unlimited bool
	// Databases says of each of Config.Also whether it exists.
	Databases map[string]bool
	// TLS is whether the connection was encrypted.
	TLS bool

	from *host
}

// Major is 15 for server_version_num 150018.
func (r *Result) Major() int { return r.VersionNum / 10000 }

// EffectiveUser is the role that the configuration means, "" where it is to
// be this process's user and that has no name.
func (c Config) EffectiveUser() string {
	if c.User != "" {
		return c.User
	}
	return libpq.User()
}

// list turns a Config into pgconn's, one for each host.
func (c Config) list() (*libpq.List, error) {
	for _, name := range c.Also {
		if strings.ContainsRune(name, 0) {
			return nil, configError("a zero byte in the name of a database")
		}
	}
	role, database := c.EffectiveUser(), cmp.Or(c.Database, DefaultDatabase)
	l, err := libpq.Hosts(libpq.Settings{
		Host: c.Host, Port: c.Port, Ports: c.Ports, User: role, Password: c.Password, Database: database, SSLMode: c.SSLMode, Explicit: c.Explicit, Addr: c.Addr, TLSFiles: c.TLSFiles,
		SessionAttrs: c.SessionAttrs, RootCert: c.RootCert, PassFile: c.PassFile,
	})
	var e *libpq.Error
	switch {
	case errors.As(err, &e) && e.Addr != "":
		return nil, &Error{Reason: TLS, Addr: e.Addr, User: role, Database: database, detail: e.Why, next: e.Next, local: true}
	case err != nil:
		return nil, configError(err.Error())
	}
	for _, h := range l.Hosts {
		if c.ApplicationName != "" {
			h.RuntimeParams["application_name"] = c.ApplicationName
		}
	}
	return l, nil
}

func (c Config) attemptTimeout() time.Duration {
	if c.AttemptTimeout > 0 {
		return c.AttemptTimeout
	}
	return DefaultAttemptTimeout
}

// Login makes one attempt. The error is *Error, except where ctx was cancelled.
func Login(ctx context.Context, cfg Config) (*Result, error) {
	p, err := newProber(cfg)
	if err != nil {
		return nil, err
	}
	return p.attempt(ctx)
}
