// Package connection finds out what the program behind the checker will connect
// to, by that program's own rules: Odoo's, which changed with version 19. What
// is proven is then the very connection that Odoo opens a moment later. Of a
// script that starts Odoo it says that there is one.
package connection

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/odpm/odpm/shared/homedir"
	"github.com/odpm/odpm/shared/libpq"
	"github.com/odpm/odpm/shared/odooconf"
	"github.com/odpm/odpm/shared/pglogin"
)

// Value is one setting and the place that it came from. Text "" means that
// nothing decided it, or that what decided it left it to libpq (PG*, the
// password file, defaults); Source says which.
type Value struct {
	Text, Source string
}

// Target is the connection.
type Target struct {
	Host, Port, User, Password, Database, SSLMode Value
	// Replica is where Odoo reads from as well, nil where it does not.
	Replica *Replica

	// ConfPath is the odoo.conf that was read, "" without one.
	ConfPath string
	// NoConnection is set where the program does not open a connection at all,
	// as in "odoo --version"; there is then nothing to prove.
	NoConnection bool
	// Script is set where a shell script decides what Odoo is given; nothing
	// else is known then.
	Script *Script
	// Warnings are worth a line each; they never hold a password.
	Warnings []string

	rootCert, passFile, sessionAttrs string
	// ports is a list of ports, one for each host, which only ODPM_DB_* may give:
	// Odoo's db_port is a number.
	ports string
}

// Input is all that Resolve looks at.
type Input struct {
	// Argv is the program and its arguments; empty for a proof on its own.
	Argv []string
	// Lookup is os.LookupEnv.
	Lookup func(string) (string, bool)
	// OdooMajor is 0 when unknown, which is read like 18.
	OdooMajor int
	// Override are ODPM_DB_*: they beat everything.
	Override Override
	// GivenBy is the script that made Argv, "" for a person.
	GivenBy string
}

// Override are the connection settings of images of one's own.
type Override struct {
	Host, Port, User, Password, Name, SSLMode string
	// DirName is the database that a mounted Secret names; it counts where
	// nobody else names one. RootCert and PassFile are files in its directory,
	// SessionAttrs is target_session_attrs of its URI.
	DirName, RootCert, PassFile, SessionAttrs string
	// From says of host, port, user, password and name where each comes from, if not
	// from the variable ODPM_DB_…; Port may be a list, one for each host.
	From map[string]string
}

func (o Override) isSet() bool {
	return o.Host+o.Port+o.User+o.Password+o.Name+o.SSLMode+o.DirName+o.RootCert+o.PassFile+o.SessionAttrs != ""
}

// ConfigError is a setting that cannot be used.
type ConfigError struct {
	// Where is the place, What the trouble, Next what to do.
	Where, What, Next string
}

func (e *ConfigError) Error() string { return e.Where + ": " + e.What }

// The parameters, by the names that Odoo gives them on its command line and in
// odoo.conf, with libpq's variable.
const (
	dbHost     = "db_host"
	dbPort     = "db_port"
	dbUser     = "db_user"
	dbPassword = "db_password"
	dbName     = "db_name"
	dbSSLMode  = "db_sslmode"

	// Odoo 18 and later.
	dbReplicaHost = "db_replica_host"
	dbReplicaPort = "db_replica_port"
)

var pgVariable = map[string]string{
	dbHost: "PGHOST", dbPort: "PGPORT", dbUser: "PGUSER", dbPassword: "PGPASSWORD",
	dbName: "PGDATABASE", dbSSLMode: "PGSSLMODE",
	dbReplicaHost: "PGHOST_REPLICA", dbReplicaPort: "PGPORT_REPLICA",
}

// Resolve applies the rules.
func Resolve(in Input) (*Target, error) {
	r := &resolver{Input: in, t: &Target{}}
	if err := r.program(in.Argv); err != nil {
		return nil, err
	}
	if in.GivenBy != "" && !r.odoo {
		// The script asks the program for something else, its version perhaps.
		r.t.NoConnection = true
	}
	if r.t.NoConnection || r.t.Script != nil {
		return r.t, nil
	}
	if v, ok := r.cli[dbPort]; ok && v == "" {
		return nil, &ConfigError{r.commandLine(), "--db_port is empty, so Odoo would not start", "set db_port to PostgreSQL's port, usually 5432"}
	}
	if err := r.readConf(); err != nil {
		return nil, err
	}
	o := in.Override
	for _, p := range []struct {
		name, override, variable, from string
		to                             *Value
	}{
		{dbHost, o.Host, "ODPM_DB_HOST", o.From["host"], &r.t.Host},
		{dbPort, o.Port, "ODPM_DB_PORT", o.From["port"], &r.t.Port},
		{dbUser, o.User, "ODPM_DB_USER", o.From["user"], &r.t.User},
		{dbPassword, o.Password, "ODPM_DB_PASSWORD", o.From["password"], &r.t.Password},
		{dbName, o.Name, "ODPM_DB_NAME", "", &r.t.Database},
		{dbSSLMode, o.SSLMode, "ODPM_DB_SSLMODE", "", &r.t.SSLMode},
	} {
		if p.override != "" {
			*p.to = Value{p.override, cmp.Or(p.from, p.variable)}
			if p.name == dbPort && strings.Contains(p.override, ",") {
				r.t.ports = p.override
			}
		} else {
			*p.to = r.value(p.name)
		}
	}
	if addr, _ := r.Lookup("PGHOSTADDR"); addr != "" {
		r.warn("PGHOSTADDR is set: libpq, and so Odoo, connects to that address whatever db_host says")
	}
	if r.t.Database.Text == "" && o.DirName != "" {
		r.t.Database = Value{o.DirName, cmp.Or(o.From["name"], "ODPM_DB_DIR")}
	}
	if isURI(o.Name) {
		r.warn("ODPM_DB_NAME is a connection URI, not a name, so that database is not proven; ODPM_DB_DIR takes a mounted Secret with such a URI")
	}
	r.t.rootCert, r.t.passFile, r.t.sessionAttrs = o.RootCert, o.PassFile, o.SessionAttrs
	r.t.Replica = r.replica()
	return r.t, r.t.check()
}

// resolver carries what the rules need.
type resolver struct {
	Input
	t *Target

	// odoo is set where the program is known to be Odoo; args are its own.
	odoo bool
	// byOption: it was known by its arguments, not by its name.
	byOption bool
	args     []string
	cli      map[string]string
	// within counts the scripts that this one is an argument of.
	within int

	conf *odooconf.File
}

// value is one parameter by the program's precedence.
func (r *resolver) value(name string) Value {
	modern := r.OdooMajor >= 19
	// Up to 18 an empty option counts as not given; from 19 on it counts.
	if v, ok := r.cli[name]; ok && (v != "" || modern) {
		r.comparedWithFile(name, v)
		return Value{v, r.commandLine()}
	}
	env, inEnv := r.Lookup(pgVariable[name])
	if modern && inEnv {
		return Value{env, pgVariable[name]}
	}
	if r.conf != nil {
		if v, ok := r.conf.Value(name, r.OdooMajor); ok {
			return Value{v, r.t.ConfPath}
		}
	}
	if name == dbSSLMode && r.odoo {
		if r.conf != nil {
			if _, stands := r.conf.Get(name); stands && !modern {
				// "False" in the file: Odoo passes none on, and libpq decides.
				return Value{"", "libpq"}
			}
		}
		// Odoo always passes sslmode, so PGSSLMODE has no effect up to 18.
		return Value{"prefer", "Odoo's default"}
	}
	if name == dbName {
		// Up to 18 Odoo takes no database from PGDATABASE.
		return Value{}
	}
	if inEnv && env != "" {
		// Left to libpq: a connection service (PGSERVICE) comes before it.
		return Value{"", pgVariable[name]}
	}
	return Value{"", "libpq's default"}
}

// commandLine names the place where an argument was given.
func (r *resolver) commandLine() string {
	if r.GivenBy != "" {
		return "command line by " + r.GivenBy
	}
	return "command line"
}

// comparedWithFile warns where a script has read a line of odoo.conf otherwise
// than Odoo does: up to spring 2026 the official image's took its third word.
func (r *resolver) comparedWithFile(name, given string) {
	if r.GivenBy == "" || r.conf == nil {
		return
	}
	v, ok := r.conf.Value(name, r.OdooMajor)
	if ok && v != given && (strings.Contains(v, given) || strings.Contains(given, v)) {
		r.warn(r.t.ConfPath + ": " + r.GivenBy + " passes Odoo only part of the line of " + name +
			", or more than its value; write it as \"" + name + " = value\" with single spaces, and a value without any")
	}
}

// check refuses what Odoo would refuse.
func (t *Target) check() error {
	if !libpq.ValidHost(t.Host.Text) {
		return &ConfigError{t.Host.Source, "db_host is not a host name, an address or a socket directory (its value is not shown, it may contain a password)",
			"set db_host to the name of PostgreSQL's service"}
	}
	for _, p := range strings.Split(cmp.Or(t.ports, t.Port.Text), ",") {
		if p == "" && t.ports == "" {
			continue
		}
		if n, err := strconv.Atoi(strings.TrimSpace(p)); err != nil || n < 1 || n > 65535 {
			return &ConfigError{t.Port.Source, "db_port is not a number between 1 and 65535 (" + digits(p) + ")", "set db_port to PostgreSQL's port, usually 5432"}
		}
	}
	if t.Config().EffectiveUser() == "postgres" {
		return &ConfigError{t.User.Source, "db_user is postgres; Odoo refuses to run as that user",
			"use a role of its own: set db_user = odoo, and run: odpm database ensure-role"}
	}
	return nil
}

// Config is the connection for pglogin.
func (t *Target) Config() pglogin.Config {
	port, _ := strconv.Atoi(strings.TrimSpace(t.Port.Text))
	return pglogin.Config{
		Host: t.Host.Text, Port: port, User: t.User.Text, Password: t.Password.Text,
		SSLMode: t.SSLMode.Text, Also: t.Databases(), ApplicationName: "odpm-checker",
		Ports: t.ports, RootCert: t.rootCert, PassFile: t.passFile, SessionAttrs: t.sessionAttrs,
	}
}

// Databases are the names in -d, without postgres, which is proven anyway. A
// connection URI in the place of a name may hold a password and is left out.
func (t *Target) Databases() []string {
	var names []string
	for _, n := range strings.Split(t.Database.Text, ",") {
		n = strings.TrimSpace(n)
		if n != "" && n != pglogin.DefaultDatabase && !isURI(n) {
			names = append(names, n)
		}
	}
	return names
}

func isURI(s string) bool {
	return strings.HasPrefix(s, "postgresql://") || strings.HasPrefix(s, "postgres://")
}

// readConf finds odoo.conf where Odoo looks for it.
func (r *resolver) readConf() error {
	path, explicit := r.confPath()
	if path == "" {
		return nil
	}
	f, err := odooconf.Load(path)
	switch {
	case err == nil:
		r.conf, r.t.ConfPath = f, path
		if v, ok := f.Value(dbName, r.OdooMajor); ok && isURI(v) {
			r.warn(path + ": db_name is a connection URI; that database is not proven")
		}
		return nil
	case os.IsNotExist(err) && !explicit:
		return nil
	case asSyntax(err) != nil:
		// The message may quote a line, and the line may be the password's.
		return &ConfigError{fmt.Sprintf("%s:%d", path, asSyntax(err).Line), "Python's configparser cannot read this line, so Odoo would not start", "correct the line"}
	case explicit:
		return &ConfigError{"-c " + path, "the file does not exist or cannot be read, so Odoo would not start", "mount it, or correct the path"}
	default:
		r.warn(path + " cannot be read by uid " + strconv.Itoa(os.Getuid()) + "; Odoo ignores it silently")
		return nil
	}
}

func asSyntax(err error) *odooconf.SyntaxError {
	var e *odooconf.SyntaxError
	errors.As(err, &e)
	return e
}

func (r *resolver) confPath() (path string, explicit bool) {
	if c := r.cli["config"]; c != "" {
		return c, true
	}
	if c, _ := r.Lookup("ODOO_RC"); c != "" {
		return c, false
	}
	if c, _ := r.Lookup("OPENERP_SERVER"); c != "" && r.OdooMajor < 19 {
		return c, false
	}
	// As Python's expanduser finds it.
	home, set := r.Lookup("HOME")
	if !set {
		home = homedir.OfUser()
	}
	if home == "" {
		return "", false
	}
	for _, name := range []string{".odoorc", ".openerp_serverrc"} {
		if p := filepath.Join(home, name); isFile(p) {
			return p, false
		}
	}
	return "", false
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func (r *resolver) warn(text string) { r.t.Warnings = append(r.t.Warnings, text) }

// digits shows a port that cannot be one. Anything but a number may be a
// password in the wrong place.
func digits(s string) string {
	if strings.Trim(s, "0123456789-+. ") != "" {
		return "the value is not shown; it may be a password"
	}
	return "found " + strconv.Quote(s)
}
