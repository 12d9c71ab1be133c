package settings

import (
	"bytes"
	"errors"
	"flag"
	"fmt"

	"github.com/odpm/odpm/shared/pglogin"
)

// UsageError is a command line that cannot be understood.
type UsageError struct{ Text string }

func (e *UsageError) Error() string { return e.Text }

// ErrHelp is --help.
var ErrHelp = errors.New("help wanted")

// ParseFlags reads the checker's own arguments over s. What follows "--" is
// the program.
func (s *Settings) ParseFlags(args []string) error {
	own, program, dashes := args, []string(nil), false
	for i, a := range args {
		if a == "--" {
			own, program, dashes = args[:i], args[i+1:], true
			break
		}
	}
	fs := flag.NewFlagSet("odpm-checker", flag.ContinueOnError)
	fs.SetOutput(&bytes.Buffer{})
	fs.Var(&s.Timeout, "timeout", "")
	fs.Var(&s.AttemptTimeout, "attempt-timeout", "")
	fs.StringVar(&s.LogLevel, "log-level", s.LogLevel, "")
	fs.StringVar(&s.LogFormat, "log-format", s.LogFormat, "")
	fs.BoolVar((*bool)(&s.RequireBaseline), "require-baseline", bool(s.RequireBaseline), "")
	fs.BoolVar((*bool)(&s.NoRecord), "no-record", bool(s.NoRecord), "")
	fs.BoolVar((*bool)(&s.AllowStandby), "allow-standby", bool(s.AllowStandby), "")
	fs.BoolVar((*bool)(&s.CheckBus), "check-bus", bool(s.CheckBus), "")
	fs.StringVar(&s.RuntimeDir, "runtime-dir", s.RuntimeDir, "")
	fs.StringVar(&s.DatabaseDir, "database-dir", s.DatabaseDir, "")
	fs.StringVar(&s.Result, "result", s.Result, "")
	fs.StringVar(&s.OdooVersion, "odoo-version", s.OdooVersion, "")
	fs.BoolVar(&s.Check, "check", false, "")
	fs.BoolVar(&s.ShowVersion, "version", false, "")
	err := fs.Parse(own)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return ErrHelp
	case err != nil:
		return &UsageError{err.Error()}
	case fs.NArg() > 0:
		return &UsageError{fmt.Sprintf("unexpected argument %q; the program to start comes after --: odpm-checker -- %[1]s", pglogin.Shown(fs.Arg(0)))}
	case dashes && len(program) == 0:
		return &UsageError{"nothing follows --; name the program to start, or leave -- out for a proof alone"}
	}
	s.Argv, s.Flags = program, own
	if !dashes {
		s.Check = true
	}
	return nil
}

// Usage is --help's text.
const Usage = `odpm-checker waits until PostgreSQL accepts the login that Odoo will use,
records the proven state, and becomes Odoo.

  odpm-checker [flags] -- odoo …                 wait, log in, record, start
  odpm-checker [flags] -- /entrypoint.sh odoo …  the same in front of the official image
  odpm-checker [flags] --check [-- odoo …]       wait, log in, record; start nothing

Flags, with their defaults (and their variables):
  --timeout 60s             how long to wait (ODPM_TIMEOUT)
  --attempt-timeout 10s     how long one login may take (ODPM_ATTEMPT_TIMEOUT)
  --require-baseline        exit 73 when the baseline is not written (ODPM_REQUIRE_BASELINE)
  --no-record               write no baseline, whatever else asks for one (ODPM_NO_RECORD)
  --allow-standby           a server that takes no writes is fine (ODPM_ALLOW_STANDBY)
  --check-bus               prove LISTEN and NOTIFY, as behind a pooler (ODPM_CHECK_BUS)
  --odoo-version 18.0       follow this Odoo's rules, if the hand-off names none (ODPM_ODOO_VERSION)
  --runtime-dir DIR         where checker.json is (ODPM_RUNTIME_DIR, /run/odpm/runtime)
  --database-dir DIR        where last_run.json is (ODPM_DATABASE_DIR, /run/odpm/database)
  --result FILE             write what was proven, for /dev/termination-log (ODPM_RESULT)
  --log-level info          debug, info, warn, error (ODPM_LOG_LEVEL)
  --log-format auto         auto, text, logfmt, json (ODPM_LOG_FORMAT)
  --check, --version, --help

The connection is Odoo's own: its command line, odoo.conf and PG* in the order
of its version, or what the image's entrypoint makes of HOST, PORT, USER and
PASSWORD. ODPM_DB_HOST, ODPM_DB_PORT, ODPM_DB_USER, ODPM_DB_PASSWORD,
ODPM_DB_NAME (each also as …_FILE) and ODPM_DB_SSLMODE override it; ODPM_DB_DIR
is a mounted Secret that has them (host, port, username, password, dbname, uri,
pgpass, ca.crt).

Exit codes: 0, then the program's own; 64 usage; 69 PostgreSQL not reachable in
time; 73 baseline not written (--require-baseline); 74 the output of --version
or --help could not be written; 77 login refused; 78 configuration; 126 program
cannot be run; 127 program not found; 128+N signal N arrived while waiting.
`
