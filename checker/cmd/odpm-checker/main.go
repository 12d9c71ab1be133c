// Command odpm-checker stands in front of Odoo in its container: it waits for
// PostgreSQL, proves the login that Odoo will use, records it, and becomes
// Odoo.
package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/odpm/odpm/checker"
	"github.com/odpm/odpm/checker/behind"
	"github.com/odpm/odpm/checker/connection"
	"github.com/odpm/odpm/checker/handover"
	"github.com/odpm/odpm/checker/logging"
	"github.com/odpm/odpm/checker/settings"
	"github.com/odpm/odpm/shared/entrypoint"
	"github.com/odpm/odpm/shared/exitcode"
	"github.com/odpm/odpm/shared/pglogin"
	"github.com/odpm/odpm/shared/redact"
	"github.com/odpm/odpm/shared/version"
)

// The main goroutine stays on the main thread, and execs there. The kernel gives
// a process's signals to its main thread first: its handler has then run before
// the exec, or the signal waits for the program. One that another thread has
// taken is lost, since the exec ends that thread before its handler has run.
func init() { runtime.LockOSThread() }

func main() {
	// One processor is plenty, and idle ones that steal work cost more than
	// the waiting itself. Neither setting is passed on to Odoo.
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(50)
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	script, program, called := behind.Called(os.Args[0])
	if script != nil {
		if err := script.Leave(); err != nil {
			fmt.Fprintln(os.Stderr, "odpm-checker:", err)
			return exitcode.Config
		}
	}
	if called {
		if program == entrypoint.WaitProgram {
			// What it waits for is waited for where Odoo is started.
			return 0
		}
		args = append(append(slices.Clone(script.Flags), "--", program), args...)
	}
	s, envErr := settings.FromEnv()
	err := s.ParseFlags(args)
	if script != nil && script.Report != 0 {
		s.Check = true
	}
	switch {
	case errors.Is(err, settings.ErrHelp):
		return said(fmt.Print(settings.Usage))
	case err != nil:
		fmt.Fprintln(os.Stderr, "odpm-checker:", err)
		fmt.Fprintln(os.Stderr, "see: odpm-checker --help")
		return exitcode.Usage
	case s.ShowVersion:
		return said(fmt.Println("odpm-checker", version.String()))
	}
	secrets := &redact.Values{}
	for _, kv := range os.Environ() {
		if k, v, _ := strings.Cut(kv, "="); redact.IsKey(k) {
			secrets.Add(v)
		}
	}
	log := logging.New(os.Stderr, secrets, s.LogFormat, s.LogLevel)
	if envErr == nil {
		envErr = s.Validate()
	}
	if envErr != nil {
		return fail(log, envErr)
	}
	if err := checker.Run(s, log, secrets, script); err != nil {
		return fail(log, err)
	}
	return 0
}

// said gives the code for a result that was written to stdout, or was not.
func said(_ int, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "odpm-checker:", err)
	return exitcode.Output
}

// fail logs an error in one line and gives its exit code; this is the only
// place that knows the codes.
func fail(log *slog.Logger, err error) int {
	var (
		login    *pglogin.Error
		config   *connection.ConfigError
		baseline *checker.BaselineError
		sig      *checker.SignalError
		program  *handover.Error
		ended    *behind.Ended
	)
	switch {
	case errors.As(err, &ended):
		return ended.Code
	case errors.As(err, &login):
		code, reason := exitcode.Refused, login.Reason
		switch {
		case login.Waited > 0, login.Reason == pglogin.NotPostgreSQL:
			code = exitcode.Unavailable
		case login.Misconfigured():
			code, reason = exitcode.Config, pglogin.Settings
		}
		attrs := []any{"reason", reason.String(), "next", login.Next()}
		if login.SQLState != "" {
			attrs = append(attrs, "sqlstate", login.SQLState, "routine", login.Routine)
		}
		log.Error(err.Error(), attrs...)
		return code
	case errors.As(err, &config):
		if config.Next != "" {
			log.Error(err.Error(), "next", config.Next)
		} else {
			log.Error(err.Error())
		}
		return exitcode.Config
	case errors.As(err, &baseline):
		log.Error(err.Error())
		return exitcode.NoBaseline
	case errors.As(err, &sig):
		log.Warn(err.Error())
		return exitcode.Signal + int(sig.Signal)
	case errors.As(err, &program):
		log.Error(err.Error())
		if program.NotFound {
			return exitcode.NotFound
		}
		return exitcode.NotRunnable
	}
	log.Error(err.Error())
	return exitcode.Config
}
