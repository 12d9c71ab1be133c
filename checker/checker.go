// Package checker is what odpm-checker does, in order: find out what Odoo will
// connect to, wait and log in, refresh the baseline, become Odoo.
package checker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/odpm/odpm/checker/baseline"
	"github.com/odpm/odpm/checker/behind"
	"github.com/odpm/odpm/checker/connection"
	"github.com/odpm/odpm/checker/handover"
	"github.com/odpm/odpm/checker/settings"
	"github.com/odpm/odpm/shared/handoff"
	"github.com/odpm/odpm/shared/pglogin"
	"github.com/odpm/odpm/shared/redact"
)

// BaselineError is a baseline that was demanded and not written.
type BaselineError struct{ err error }

func (e *BaselineError) Error() string { return "the baseline was not written: " + e.err.Error() }
func (e *BaselineError) Unwrap() error { return e.err }

// SignalError is a signal that arrived while waiting.
type SignalError struct{ Signal syscall.Signal }

func (e *SignalError) Error() string { return "stopped by signal " + e.Signal.String() }

// Run does the whole job. Without --check it returns only with an error: the
// process is Odoo then. Its caller is the main thread (see main's init), which
// does nothing but wait for the rest and exec. The password that Odoo will use
// becomes one of the secrets that the log hides. script is the one that has
// called the checker in Odoo's place, nil in front of everything.
func Run(s *settings.Settings, log *slog.Logger, secrets *redact.Values, script *behind.State) error {
	var (
		program string
		unwatch = func() error { return nil }
		err     error
		done    = make(chan struct{})
	)
	go func() {
		defer close(done)
		program, unwatch, err = ready(s, log, secrets, unwatch, script)
	}()
	<-done
	if script != nil {
		script.Done(err)
	}
	if err != nil {
		return err
	}
	// A signal that came in the meantime is not lost in the exec.
	if err := unwatch(); err != nil || s.Check {
		return err
	}
	return handover.Exec(program, s.Argv)
}

// ready does everything before the exec, and gives the program's path. unwatch
// is replaced where signals are watched.
func ready(s *settings.Settings, log *slog.Logger, secrets *redact.Values, unwatch func() error, script *behind.State) (string, func() error, error) {
	program := ""
	if len(s.Argv) > 0 {
		// A program that does not exist is said before a minute of waiting.
		p, err := handover.Find(s.Argv[0])
		if err != nil {
			return "", unwatch, err
		}
		program = p
	}
	// First of all: what was announced while this start waits is another start.
	startID := handoff.LoadStart(s.RuntimeDir)
	if script != nil {
		// The script took its time as well.
		startID = script.StartID
	}
	hand, handErr := baseline.Handoff(s.RuntimeDir, s.HandoffID)
	t, err := resolve(s, hand, handErr, script)
	if err != nil {
		return "", unwatch, err
	}
	secrets.Add(t.Password.Text)
	for _, w := range append(s.Warnings, t.Warnings...) {
		log.Warn(w)
	}
	switch {
	case t.Script != nil:
		err = stepBehind(s, log, t.Script, program, startID)
	case !t.NoConnection:
		var ctx context.Context
		ctx, unwatch = watchSignals()
		err = prove(ctx, s, log, t, announced{hand, handErr, startID})
	}
	return program, unwatch, err
}

// stepBehind prepares the script's run, and does it for --check.
func stepBehind(s *settings.Settings, log *slog.Logger, script *connection.Script, program, startID string) error {
	tell(log, script)
	st, argv, err := behind.New(script, s.Flags, s.Argv)
	if err != nil {
		return &connection.ConfigError{Where: script.Name, What: err.Error(), Next: "give the container a writable directory: a tmpfs at /tmp"}
	}
	st.StartID = startID
	if !s.Check {
		s.Argv = argv
		return st.Enter()
	}
	ctx, unwatch := watchSignals()
	err = st.Check(ctx, program, argv, 2*time.Duration(s.Timeout)+time.Minute)
	return errors.Join(unwatch(), err)
}

// tell says what is not known of a script.
func tell(log *slog.Logger, script *connection.Script) {
	var because []any
	if script.Unknown != "" {
		because = []any{"because_of", script.Unknown}
	}
	switch {
	case !script.Sure:
		log.Warn("odpm-checker does not know "+script.Name+", and cannot see whether it starts odoo by its name: if it does, the login is proven then; if it starts Odoo by a path, no login is proven", because...)
	case script.Unknown != "":
		log.Warn("odpm-checker does not know "+script.Name+": the login is proven when it starts Odoo, with what Odoo is given then", because...)
	}
}

func resolve(s *settings.Settings, hand *handoff.Handoff, handErr error, script *behind.State) (*connection.Target, error) {
	major := 0
	if handErr == nil {
		major = hand.OdooMajor
	}
	major, err := s.OdooMajor(major)
	if err != nil {
		return nil, err
	}
	override, err := s.Override()
	if err != nil {
		return nil, err
	}
	in := connection.Input{Argv: s.Argv, Lookup: os.LookupEnv, OdooMajor: major, Override: override}
	if script != nil {
		in.GivenBy = script.Script
	}
	return connection.Resolve(in)
}

// announced is what odpm said before this start.
type announced struct {
	hand    *handoff.Handoff
	handErr error
	startID string
}

// prove waits, logs in and records.
func prove(ctx context.Context, s *settings.Settings, log *slog.Logger, t *connection.Target, a announced) error {
	cfg := t.Config()
	cfg.AttemptTimeout = time.Duration(s.AttemptTimeout)
	cfg.Writes = !bool(s.AllowStandby)
	log.Info("checking PostgreSQL", "host", display(t.Host), "port", display(t.Port), "user", pglogin.Shown(cfg.EffectiveUser()),
		"databases", databases(cfg.Also), "settings", sources(t))
	start := time.Now()
	res, err := pglogin.Wait(ctx, cfg, pglogin.WaitOptions{
		Timeout: time.Duration(s.Timeout),
		OnChange: func(e *pglogin.Error, elapsed time.Duration) {
			log.Info("waiting: "+e.Error(), "reason", e.Reason.String(), "elapsed", round(elapsed))
		},
	})
	if err != nil {
		return err
	}
	remark(ctx, s, log, t, res)
	recorded, err := record(s, log, res, a)
	if err == nil {
		err = writeResult(s, log, res, a)
	}
	if err != nil {
		return err
	}
	log.Info("login proven", "addr", res.Addr, "user", pglogin.Shown(res.User), "postgres", version(res.VersionNum),
		"waited", round(time.Since(start)), "baseline", recorded)
	return nil
}

// record refreshes the baseline and says what became of it. A failure is a
// warning, since Odoo can run without, unless it was demanded.
func record(s *settings.Settings, log *slog.Logger, res *pglogin.Result, a announced) (string, error) {
	if s.NoRecord {
		return "off", nil
	}
	err := a.handErr
	if err == nil {
		err = baseline.Record(s.DatabaseDir, a.hand, a.startID, res)
	}
	if err == nil {
		return "recorded", nil
	}
	if errors.Is(err, baseline.ErrStale) {
		err = fmt.Errorf("%w (container %s, project %s); on the host: odpm", err, orNone(s.HandoffID), a.hand.ID)
	}
	if s.RequireBaseline {
		return "", &BaselineError{err}
	}
	switch {
	case errors.Is(err, baseline.ErrNoHandoff):
		return "none", nil
	case errors.Is(err, baseline.ErrStale):
		log.Warn("no baseline is recorded: " + err.Error())
		return "stale", nil
	}
	log.Warn("the baseline was not written: " + err.Error())
	return "failed", nil
}

// watchSignals gives a context that a signal ends, with *SignalError as its
// cause. What the parent set to be ignored (nohup) stays ignored.
//
// unwatch comes last before the exec, on the main thread: it tells of a signal
// that has come, and from then on one ends the process by itself. Asking the
// context alone would not do: a signal passes through two goroutines before it
// gets there, and one that is still on its way would be lost with them.
func watchSignals() (ctx context.Context, unwatch func() error) {
	ctx, cancel := context.WithCancelCause(context.Background())
	c := make(chan os.Signal, 1)
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT} {
		if !signal.Ignored(sig) {
			signal.Notify(c, sig)
		}
	}
	seen := make(chan struct{})
	go func() {
		defer close(seen)
		if sig, ok := (<-c).(syscall.Signal); ok {
			cancel(&SignalError{sig})
		}
	}()
	return ctx, func() error {
		// Stop returns when what has come is in the channel.
		signal.Stop(c)
		close(c)
		<-seen
		return context.Cause(ctx)
	}
}

func databases(also []string) string {
	text := pglogin.DefaultDatabase
	for _, name := range also {
		text += "," + pglogin.Shown(name)
	}
	return text
}

func display(v connection.Value) string {
	if v.Text != "" {
		return v.Text
	}
	if strings.HasPrefix(v.Source, "PG") {
		return "$" + v.Source
	}
	return "default"
}

// sources names where the settings came from, each place once.
func sources(t *connection.Target) string {
	var places []string
	seen := map[string]bool{}
	for _, v := range []connection.Value{t.Host, t.Port, t.User, t.Password, t.Database} {
		if v.Source != "" && !seen[v.Source] {
			seen[v.Source] = true
			places = append(places, v.Source)
		}
	}
	return strings.Join(places, ", ")
}

func version(num int) string { return fmt.Sprintf("%d.%d", num/10000, num%10000) }

func round(d time.Duration) string { return d.Round(time.Millisecond).String() }

func orNone(id string) string {
	if id == "" {
		return "none"
	}
	return id
}
