// Package pglogin proves that a role can log in to PostgreSQL: it waits for
// TCP, logs in through pgconn as an explicit user, and says of every failure
// whether waiting can help. Both programs use it: the checker in front of Odoo
// and the host's probes of a native server.
package pglogin

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
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
// (libpq.go): PG* variables, the service and password files, defaults.
type Config struct {
	// Host is a name, an address or a socket directory; several are separated
	// by commas and tried in order.
	Host string
	// Port is 0 for PGPORT or 5432.
	Port int
	// User is the role; "" is PGUSER, else the operating-system user, resolved
	// by us so that the user of a connection is always explicit.
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

// EffectiveUser is the role that the configuration means: User, else that of
// the connection service, else PGUSER, else the operating-system user, "" when
// this process's uid has no name.
func (c Config) EffectiveUser() string {
	if c.User != "" {
		return c.User
	}
	// connConfig tells what is wrong with the service.
	if svc, err := findService(); err == nil && svc != nil && svc.set["user"] != "" {
		return svc.set["user"]
	}
	if u := os.Getenv("PGUSER"); u != "" {
		return u
	}
	return osUser()
}

// connConfig turns a Config into pgconn's. Nothing secret is ever part of a
// connection string: pgconn's parse errors quote theirs.
func (c Config) connConfig() (*pgconn.Config, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	role := c.EffectiveUser()
	if role == "" {
		return nil, configError("no database user: db_user and PGUSER are unset and uid " +
			strconv.Itoa(os.Getuid()) + " has no name; set db_user")
	}
	database := c.Database
	if database == "" {
		database = DefaultDatabase
	}
	outside := settings{explicit: c.Explicit}
	if !c.Explicit {
		var err error
		if outside.service, err = findService(); err != nil {
			return nil, err
		}
	}
	sslmode := c.SSLMode
	if sslmode == "" {
		sslmode = outside.sslmode()
	}
	if err := outside.refuse(sslmode); err != nil {
		return nil, err
	}
	host := c.Host
	if host == "" {
		host = outside.get("host", "PGHOST")
	}
	addrs, err := outside.hostaddr(host)
	if err != nil {
		return nil, err
	}
	kv := append(outside.keywords(), "user="+quoteKV(role), "dbname="+quoteKV(database))
	files, unusable := outside.tlsFiles()
	kv = append(append(kv, files...), "passfile=''")
	switch {
	case addrs != nil:
		kv = append(kv, "host="+quoteKV(strings.Join(addrs.hosts, ",")))
	case c.Host != "":
		kv = append(kv, "host="+quoteKV(c.Host))
	}
	if c.Port != 0 {
		kv = append(kv, "port="+strconv.Itoa(c.Port))
	}
	switch {
	case unusable != "":
		kv = append(kv, "sslmode=disable")
	case sslmode != "":
		kv = append(kv, "sslmode="+quoteKV(sslmode))
	}
	pc, err := pgconn.ParseConfig(strings.Join(kv, " "))
	if err != nil {
		return nil, parseError(err)
	}
	if verifiesWithoutRoot(pc) {
		unusable = "no file of certificate authorities, neither ~/.postgresql/root.crt nor PGSSLROOTCERT (system takes the system's)"
	}
	switch {
	case c.Password != "":
		pc.Password = c.Password
	case pc.Password == "":
		pc.Password = outside.filedPassword(pc, pc.Host)
	}
	if addrs != nil {
		if addrs.nameless && pc.TLSConfig != nil && !pc.TLSConfig.InsecureSkipVerify {
			unusable = "PGHOSTADDR is set and no name to compare with the certificate's: set db_host"
		}
		addrs.apply(pc)
	}
	if network, addr := pgconn.NetworkAddress(pc.Host, pc.Port); unusable != "" && network == "tcp" && demandsTLS(sslmode) {
		return nil, &Error{Reason: TLS, Addr: addr, User: role, Database: database, detail: unusable}
	}
	// Once more, for what came from PGHOST or a service file.
	for _, h := range append([]*pgconn.FallbackConfig{{Host: pc.Host}}, pc.Fallbacks...) {
		if !ValidHost(h.Host) {
			return nil, errHost()
		}
	}
	if err := outside.asLibpq(pc); err != nil {
		return nil, err
	}
	if c.ApplicationName != "" {
		pc.RuntimeParams["application_name"] = c.ApplicationName
	}
	return pc, nil
}

// verifiesWithoutRoot: pgx takes the system's authorities where none is named,
// libpq refuses.
func verifiesWithoutRoot(pc *pgconn.Config) bool {
	t := pc.TLSConfig
	return t != nil && t.RootCAs == nil && (!t.InsecureSkipVerify || t.VerifyPeerCertificate != nil)
}

func demandsTLS(sslmode string) bool {
	return sslmode == "require" || sslmode == "verify-ca" || sslmode == "verify-full"
}

func errHost() error {
	return configError("the host (db_host, PGHOST or the connection service) is not a host name, an address or a socket directory " +
		"(its value is not shown, it may contain a password)")
}

// validate refuses what only looks like a host: people paste whole connection
// strings into db_host, and those carry a password, so the value is not
// repeated.
func (c Config) validate() error {
	if !ValidHost(c.Host) {
		return errHost()
	}
	if c.Port < 0 || c.Port > 65535 {
		return configError(fmt.Sprintf("port %d is not between 1 and 65535", c.Port))
	}
	switch c.SSLMode {
	case "", "disable", "allow", "prefer", "require", "verify-ca", "verify-full":
	default:
		return configError("sslmode is not one of disable, allow, prefer, require, verify-ca, verify-full")
	}
	for _, s := range append([]string{c.User, c.Database, c.Password}, c.Also...) {
		if strings.ContainsRune(s, 0) {
			return configError("a zero byte in the user, the password or the database name")
		}
	}
	return nil
}

// openToOthers: libpq passes over a password file that others may read. pgx
// takes it whatever its mode, and the check would pass where Odoo has no
// password.
func openToOthers(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0
}

// quoteKV quotes a value for libpq's keyword/value syntax.
func quoteKV(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
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
