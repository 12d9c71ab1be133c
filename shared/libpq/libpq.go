// Package libpq makes pgconn's configuration the way libpq, and so Odoo's
// psycopg2, would: PG* variables, the service and the password file, the files
// of TLS, and what libpq refuses.
package libpq

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Settings is one connection. Members that are empty follow libpq's rules.
type Settings struct {
	// Host is a name, an address or a socket directory; several are separated
	// by commas and tried in order.
	Host string
	// Port is 0 for PGPORT or 5432.
	Port int
	// Ports are several, separated by commas, one for each of Host; "" is Port.
	Ports string
	// User is the role; "" is that of User.
	User string
	// Password is "" for PGPASSWORD or the password file.
	Password string
	// Database is always explicit: PGDATABASE is not consulted.
	Database string
	// SSLMode is "" for PGSSLMODE, else prefer.
	SSLMode string
	// RootCert is a file of certificate authorities, "" for PGSSLROOTCERT.
	RootCert string
	// PassFile is a password file that is taken whatever its mode is, "" for
	// PGPASSFILE.
	PassFile string
	// SessionAttrs is target_session_attrs, "" for PGTARGETSESSIONATTRS.
	SessionAttrs string
	// Explicit: nothing is taken from outside but what pgx takes for what is
	// empty here.
	Explicit bool
	// Addr, an address in numbers, is where to connect to in the place of Host,
	// which stays the name that certificates are for; "" is Host's own. It is
	// for Explicit, as PGHOSTADDR is otherwise.
	Addr string
	// TLSFiles: with Explicit, too, the files of TLS (PGSSLROOTCERT, PGSSLCERT,
	// PGSSLKEY, else those in ~/.postgresql) are taken, and the versions.
	TLSFiles bool
}

// Error is a setting that libpq would not connect with, or that is not done
// here. It repeats no value: one in the wrong place may be a password.
type Error struct {
	Why string
	// Addr is set where TLS is demanded and a file that it needs cannot be used;
	// it is the server's. Next is then the next step.
	Addr, Next string
}

func (e *Error) Error() string { return e.Why }

func wrong(why string) error { return &Error{Why: why} }

// User is the role that libpq takes where none is given: that of the
// connection service, else PGUSER, else the operating-system user, "" when
// this process's uid has no name.
func User() string {
	// Config tells what is wrong with the service.
	if svc, err := findService(); err == nil && svc != nil && svc.set["user"] != "" {
		return svc.set["user"]
	}
	if u := os.Getenv("PGUSER"); u != "" {
		return u
	}
	return osUser()
}

// Config turns Settings into pgconn's. Nothing secret is ever part of a
// connection string: pgconn's parse errors quote theirs. The errors are *Error.
func Config(c Settings) (*pgconn.Config, error) {
	l, err := Hosts(c)
	if err != nil {
		return nil, err
	}
	return l.all, nil
}

// Hosts is Config for one host after the other, in libpq's order.
func Hosts(c Settings) (*List, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	role := c.User
	if role == "" {
		role = User()
	}
	if role == "" {
		return nil, wrong("no database user: db_user and PGUSER are unset and uid " +
			strconv.Itoa(os.Getuid()) + " has no name; set db_user")
	}
	o := outside{explicit: c.Explicit, addr: c.Addr, files: c.TLSFiles, root: c.RootCert, pass: c.PassFile}
	if !c.Explicit {
		var err error
		if o.service, err = findService(); err != nil {
			return nil, err
		}
	}
	sslmode := c.SSLMode
	if sslmode == "" {
		sslmode = o.sslmode()
	}
	if err := o.refuse(sslmode); err != nil {
		return nil, err
	}
	host := c.Host
	if host == "" {
		host = o.get("host", "PGHOST")
	}
	addrs, err := o.hostaddr(host)
	if err != nil {
		return nil, err
	}
	kv := append(o.keywords(), "user="+QuoteKV(role), "dbname="+QuoteKV(c.Database))
	files, unusable := o.tlsFiles()
	kv = append(append(kv, files...), "passfile=''")
	switch {
	case addrs != nil:
		kv = append(kv, "host="+QuoteKV(strings.Join(addrs.hosts, ",")))
	case c.Host != "":
		kv = append(kv, "host="+QuoteKV(c.Host))
	}
	switch {
	case c.Ports != "":
		kv = append(kv, "port="+QuoteKV(c.Ports))
	case c.Port != 0:
		kv = append(kv, "port="+strconv.Itoa(c.Port))
	}
	switch {
	case unusable != "":
		kv = append(kv, "sslmode=disable")
	case sslmode != "":
		kv = append(kv, "sslmode="+QuoteKV(sslmode))
	}
	pc, err := pgconn.ParseConfig(strings.Join(kv, " "))
	if err != nil {
		return nil, parseError(err)
	}
	if verifiesWithoutRoot(pc) {
		unusable = o.noRoot()
	}
	var filed []string
	switch {
	case c.Password != "":
		pc.Password = c.Password
	case pc.Password == "":
		// By name: an address in its place is none that a password stands for.
		for _, h := range single(pc) {
			filed = append(filed, o.filedPassword(h, h.Host))
		}
		pc.Password = filed[0]
	}
	if addrs != nil {
		if addrs.nameless && pc.TLSConfig != nil && !pc.TLSConfig.InsecureSkipVerify {
			unusable = "PGHOSTADDR is set and no name to compare with the certificate's"
		}
		addrs.apply(pc)
	}
	if network, addr := pgconn.NetworkAddress(pc.Host, pc.Port); unusable != "" && network == "tcp" && demandsTLS(sslmode) {
		return nil, &Error{Why: unusable, Addr: addr, Next: nextFile(unusable)}
	}
	// Once more, for what came from PGHOST or a service file.
	for _, h := range append([]*pgconn.FallbackConfig{{Host: pc.Host}}, pc.Fallbacks...) {
		if !ValidHost(h.Host) {
			return nil, errHost()
		}
	}
	if err := o.asLibpq(pc); err != nil {
		return nil, err
	}
	return o.list(pc, filed, c.SessionAttrs), nil
}

// validate refuses what only looks like a host: people paste whole connection
// strings into db_host, and those carry a password.
func (c Settings) validate() error {
	if !ValidHost(c.Host) {
		return errHost()
	}
	if c.Port < 0 || c.Port > 65535 {
		return wrong("port " + strconv.Itoa(c.Port) + " is not between 1 and 65535")
	}
	switch c.SSLMode {
	case "", "disable", "allow", "prefer", "require", "verify-ca", "verify-full":
	default:
		return wrong("sslmode is not one of disable, allow, prefer, require, verify-ca, verify-full")
	}
	switch c.SessionAttrs {
	case "", "any", "read-write", "read-only", "primary", "standby", "prefer-standby":
	default:
		return errSessionAttrs()
	}
	for _, s := range []string{c.User, c.Database, c.Password} {
		if strings.ContainsRune(s, 0) {
			return wrong("a zero byte in the user, the password or the database name")
		}
	}
	return nil
}

// ValidHost says whether s can be one host or several: names, addresses or
// socket directories. Its value is not to be shown where it is not.
func ValidHost(s string) bool {
	// libpq takes no brackets around an IPv6 address and looks "[::1]" up.
	if strings.HasPrefix(s, "[") || strings.Contains(s, ",[") {
		return false
	}
	return !strings.Contains(s, "://") && !strings.ContainsAny(s, "=@'\"\\ \t\r\n\x00")
}

func errHost() error {
	return wrong("the host (db_host, PGHOST or the connection service) is not a host name, an address or a socket directory " +
		"(its value is not shown, it may contain a password)")
}

func errSessionAttrs() error {
	return wrong("target_session_attrs (PGTARGETSESSIONATTRS) is not one of any, read-write, read-only, primary, standby, prefer-standby")
}

// parseError keeps pgconn's parse errors from quoting what they parsed: with
// PG* variables, service files and key files in play, the quoted text may be a
// misplaced password.
func parseError(err error) error {
	var pe *pgconn.ParseConfigError
	if !errors.As(err, &pe) {
		return wrong("the connection settings cannot be used")
	}
	switch inner := pe.Error(); {
	case strings.Contains(inner, "failed to configure TLS"):
		return wrong("the TLS settings cannot be used: check db_sslmode, PGSSLMODE, PGSSLROOTCERT, PGSSLCERT and PGSSLKEY")
	case strings.Contains(inner, "invalid port"):
		return wrong("the port is not a number between 1 and 65535: check db_port and PGPORT")
	case strings.Contains(inner, "failed to read service"):
		return wrong("the connection service cannot be read: check PGSERVICE and PGSERVICEFILE")
	case strings.Contains(inner, "target_session_attrs"):
		return errSessionAttrs()
	case strings.Contains(inner, "could not match"):
		return wrong("the numbers of hosts and of ports differ: check PGHOST and PGPORT")
	}
	return wrong("the connection settings cannot be used: check the PG* variables")
}

// QuoteKV quotes a value for libpq's keyword/value syntax.
func QuoteKV(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
