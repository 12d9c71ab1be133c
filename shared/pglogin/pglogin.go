// Package pglogin proves that a role can log in to PostgreSQL: it waits for
// TCP, logs in through pgconn as an explicit user, and says of every failure
// whether waiting can help. Both programs use it: the checker in front of Odoo
// and the host's probes of a native server.
package pglogin

import (
	"cmp"
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

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
	// Addr is the address that answered, "127.0.0.1:5432" or a socket's path.
	Addr string
	// User is the role as the server knows it.
	User string
	// VersionNum is server_version_num: 150018 is 15.18.
	VersionNum int
	// SystemIdentifier is pg_control's, in decimal; "" where the role may not
	// ask (managed services revoke the function).
	SystemIdentifier string
	// InRecovery is set on a standby: Odoo could log in and not write.
	InRecovery bool
	// Databases says of each of Config.Also whether it exists.
	Databases map[string]bool
	// TLS is whether the connection was encrypted.
	TLS bool
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

// connConfig turns a Config into pgconn's.
func (c Config) connConfig() (*pgconn.Config, error) {
	for _, name := range c.Also {
		if strings.ContainsRune(name, 0) {
			return nil, configError("a zero byte in the name of a database")
		}
	}
	role, database := c.EffectiveUser(), cmp.Or(c.Database, DefaultDatabase)
	pc, err := libpq.Config(libpq.Settings{
		Host: c.Host, Port: c.Port, User: role, Password: c.Password, Database: database, SSLMode: c.SSLMode, Explicit: c.Explicit, Addr: c.Addr, TLSFiles: c.TLSFiles,
	})
	var e *libpq.Error
	switch {
	case errors.As(err, &e) && e.Addr != "":
		return nil, &Error{Reason: TLS, Addr: e.Addr, User: role, Database: database, detail: e.Why}
	case err != nil:
		return nil, configError(err.Error())
	}
	if c.ApplicationName != "" {
		pc.RuntimeParams["application_name"] = c.ApplicationName
	}
	return pc, nil
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

// prober holds what survives from one attempt to the next.
type prober struct {
	cfg    Config
	conn   *pgconn.Config
	lookup lookupCache
	dialer net.Dialer
	// refused are the TCP addresses that all refused the last attempt, empty
	// where anything else was among the answers; opened is one that did not
	// refuse any more when its probe asked it.
	refused []string
	opened  *spyConn
	// plain is what a server said of TLS a moment ago.
	plain  withoutTLS
	probes map[string]*portProbe
	// proof is one that the last attempt did not wait for.
	proof *abandonedProof
	// resolves is set where a host is a name, whose address may change.
	resolves bool
}

// stillRefused asks the ports that refused a moment ago, and only those: it is
// what waiting consists of most of the time, so it does nothing else.
func (p *prober) stillRefused() bool {
	if len(p.refused) == 0 {
		return false
	}
	for _, addr := range p.refused {
		probe := p.probes[addr]
		if probe == nil {
			if probe = newPortProbe(addr); probe == nil {
				return false
			}
			if p.probes == nil {
				p.probes = map[string]*portProbe{}
			}
			p.probes[addr] = probe
		}
		conn, refused := probe.ask()
		if conn != nil {
			p.opened = &spyConn{Conn: conn, addr: addr}
		}
		if !refused {
			delete(p.probes, addr)
			return false
		}
	}
	return true
}

// close gives back what a wait holds.
func (p *prober) close() {
	for _, probe := range p.probes {
		probe.close()
	}
	if p.opened != nil {
		p.opened.Conn.Close()
	}
}

func newProber(cfg Config) (*prober, error) {
	pc, err := cfg.connConfig()
	if err != nil {
		return nil, err
	}
	p := &prober{cfg: cfg, conn: pc, dialer: net.Dialer{Timeout: dialTimeout, KeepAlive: -1}}
	p.lookup.resolve = pc.LookupFunc
	for _, h := range append([]*pgconn.FallbackConfig{{Host: pc.Host}}, pc.Fallbacks...) {
		p.resolves = p.resolves || net.ParseIP(h.Host) == nil
	}
	return p, nil
}
