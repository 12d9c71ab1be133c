// Package settings is how a person steers the checker: its flags over the
// ODPM_* variables over defaults.
package settings

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/kelseyhightower/envconfig"

	"github.com/odpm/odpm/checker/connection"
	"github.com/odpm/odpm/shared/handoff"
	"github.com/odpm/odpm/shared/pglogin"
	"github.com/odpm/odpm/shared/regular"
)

// Settings steer one run.
type Settings struct {
	Timeout         Duration `envconfig:"ODPM_TIMEOUT"`
	AttemptTimeout  Duration `envconfig:"ODPM_ATTEMPT_TIMEOUT"`
	LogLevel        string   `envconfig:"ODPM_LOG_LEVEL"`
	LogFormat       string   `envconfig:"ODPM_LOG_FORMAT"`
	RequireBaseline Switch   `envconfig:"ODPM_REQUIRE_BASELINE"`
	NoRecord        Switch   `envconfig:"ODPM_NO_RECORD"`
	AllowStandby    Switch   `envconfig:"ODPM_ALLOW_STANDBY"`
	CheckBus        Switch   `envconfig:"ODPM_CHECK_BUS"`
	RuntimeDir      string   `envconfig:"ODPM_RUNTIME_DIR"`
	DatabaseDir     string   `envconfig:"ODPM_DATABASE_DIR"`
	OdooVersion     string   `envconfig:"ODPM_ODOO_VERSION"`
	HandoffID       string   `envconfig:"ODPM_HANDOFF_ID"`

	DBHost         string `envconfig:"ODPM_DB_HOST"`
	DBHostFile     string `envconfig:"ODPM_DB_HOST_FILE"`
	DBPort         string `envconfig:"ODPM_DB_PORT"`
	DBPortFile     string `envconfig:"ODPM_DB_PORT_FILE"`
	DBUser         string `envconfig:"ODPM_DB_USER"`
	DBUserFile     string `envconfig:"ODPM_DB_USER_FILE"`
	DBPassword     string `envconfig:"ODPM_DB_PASSWORD"`
	DBPasswordFile string `envconfig:"ODPM_DB_PASSWORD_FILE"`
	DBName         string `envconfig:"ODPM_DB_NAME"`
	DBNameFile     string `envconfig:"ODPM_DB_NAME_FILE"`
	DBSSLMode      string `envconfig:"ODPM_DB_SSLMODE"`
	DBDir          string `envconfig:"ODPM_DB_DIR"`
	// Result is a file for what was proven.
	Result string `envconfig:"ODPM_RESULT"`

	// Check is set by --check: prove and record, start nothing.
	Check bool `ignored:"true"`
	// Argv is the program behind "--", Flags what comes before it.
	Argv  []string `ignored:"true"`
	Flags []string `ignored:"true"`
	// ShowVersion is set by --version.
	ShowVersion bool `ignored:"true"`
	// Warnings are worth a line each.
	Warnings []string `ignored:"true"`
}

// Duration reads "90s", "2m" and a bare number of seconds.
type Duration time.Duration

// Decode is envconfig's; Set and String are flag's. An empty variable is an
// unset one: compose makes ODPM_TIMEOUT=${ODPM_TIMEOUT} into that.
func (d *Duration) Decode(s string) error {
	if s == "" {
		return nil
	}
	return d.Set(s)
}

// Set refuses what is not a positive span.
func (d *Duration) Set(s string) error {
	v, err := time.ParseDuration(s)
	if n, nerr := strconv.Atoi(s); nerr == nil {
		v, err = time.Duration(n)*time.Second, nil
	}
	if err != nil || v <= 0 {
		return errors.New("expected a duration like 90s, 2m or 60")
	}
	*d = Duration(v)
	return nil
}

func (d *Duration) String() string { return time.Duration(*d).String() }

// Switch is a bool whose empty variable is false.
type Switch bool

// Decode is envconfig's.
func (b *Switch) Decode(s string) error {
	if s == "" {
		return nil
	}
	v, err := strconv.ParseBool(s)
	if err != nil {
		return errors.New("expected true or false")
	}
	*b = Switch(v)
	return nil
}

// FromEnv reads the ODPM_* variables. Settings are given along with an error
// too, so that --version and --help work whatever the environment holds.
func FromEnv() (*Settings, error) {
	s := &Settings{}
	defer s.setDefaults()
	links, restore := hideServiceLinks()
	defer restore()
	s.warnServiceLinks(links)
	if err := envconfig.Process("", s); err != nil {
		var pe *envconfig.ParseError
		if errors.As(err, &pe) {
			return s, &connection.ConfigError{Where: pe.KeyName, What: pe.Err.Error() + " (found " + strconv.Quote(pglogin.Shown(pe.Value)) + ")", Next: "correct or unset " + pe.KeyName}
		}
		return s, &connection.ConfigError{Where: "environment", What: "the ODPM_* variables cannot be read"}
	}
	return s, nil
}

func (s *Settings) setDefaults() {
	if s.Timeout == 0 {
		s.Timeout = Duration(pglogin.DefaultTimeout)
	}
	if s.AttemptTimeout == 0 {
		s.AttemptTimeout = Duration(pglogin.DefaultAttemptTimeout)
	}
	for _, d := range []struct {
		to    *string
		value string
	}{
		{&s.LogLevel, "info"}, {&s.LogFormat, "auto"},
		{&s.RuntimeDir, handoff.RuntimeDir}, {&s.DatabaseDir, handoff.DatabaseDir},
	} {
		if *d.to == "" {
			*d.to = d.value
		}
	}
}

// Validate refuses words that are none of the allowed ones; place names where
// each came from.
func (s *Settings) Validate() error {
	for _, w := range []struct {
		flag, variable, value string
		allowed               []string
	}{
		{"--log-level", "ODPM_LOG_LEVEL", s.LogLevel, []string{"debug", "info", "warn", "error"}},
		{"--log-format", "ODPM_LOG_FORMAT", s.LogFormat, []string{"auto", "text", "logfmt", "json"}},
	} {
		ok := false
		for _, a := range w.allowed {
			ok = ok || a == w.value
		}
		if !ok {
			return &connection.ConfigError{Where: w.flag + " or " + w.variable, What: fmt.Sprintf("expected %s (found %q)", strings.Join(w.allowed, ", "), pglogin.Shown(w.value))}
		}
	}
	if _, err := s.OdooMajor(0); err != nil {
		return err
	}
	return nil
}

// OdooMajor is the major version of Odoo: of the hand-off, else what the
// person says, else what the official image says of itself, else 0.
func (s *Settings) OdooMajor(fromHandoff int) (int, error) {
	if fromHandoff > 0 {
		return fromHandoff, nil
	}
	if s.OdooVersion != "" {
		n, ok := major(s.OdooVersion)
		if !ok {
			return 0, &connection.ConfigError{Where: "--odoo-version or ODPM_ODOO_VERSION", What: fmt.Sprintf("expected a version like 18.0 (found %q)", pglogin.Shown(s.OdooVersion))}
		}
		return n, nil
	}
	n, _ := major(os.Getenv("ODOO_VERSION"))
	return n, nil
}

// major reads "18", "18.0", "saas-18.2" and "saas~18.2".
func major(version string) (int, bool) {
	v := strings.TrimPrefix(strings.TrimPrefix(version, "saas-"), "saas~")
	v, _, _ = strings.Cut(v, ".")
	n, err := strconv.Atoi(v)
	return n, err == nil && n > 0 && n < 1000
}

// Override reads the ODPM_DB_* settings, files included.
func (s *Settings) Override() (connection.Override, error) {
	o := connection.Override{SSLMode: s.DBSSLMode, From: map[string]string{}}
	for _, v := range []struct {
		what, name, value, file string
		to                      *string
	}{
		{"host", "ODPM_DB_HOST", s.DBHost, s.DBHostFile, &o.Host},
		{"port", "ODPM_DB_PORT", s.DBPort, s.DBPortFile, &o.Port},
		{"user", "ODPM_DB_USER", s.DBUser, s.DBUserFile, &o.User},
		{"password", "ODPM_DB_PASSWORD", s.DBPassword, s.DBPasswordFile, &o.Password},
		{"name", "ODPM_DB_NAME", s.DBName, s.DBNameFile, &o.Name},
	} {
		*v.to = v.value
		if v.file == "" {
			continue
		}
		if v.value != "" {
			return o, &connection.ConfigError{Where: v.name, What: v.name + " and " + v.name + "_FILE are both set", Next: "unset one of them"}
		}
		data, err := regular.Read(v.file, 64<<10)
		if err != nil {
			return o, &connection.ConfigError{Where: v.name + "_FILE", What: "the file " + strconv.Quote(pglogin.Shown(v.file)) + " cannot be read: " + reason(err), Next: "mount it readable for uid " + strconv.Itoa(os.Getuid())}
		}
		*v.to = strings.TrimRight(string(data), "\r\n")
		o.From[v.what] = v.name + "_FILE"
	}
	err := s.fromDir(&o)
	return o, err
}

func reason(err error) string {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
