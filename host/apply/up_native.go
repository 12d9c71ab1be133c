package apply

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/host/world"
	"github.com/odpm/odpm/shared/durable"
	"github.com/odpm/odpm/shared/exitcode"
)

// startNativeOdoo starts the checker, which becomes Odoo, as a process that
// goes on when odpm ends. It is done when that checker has recorded and what it
// has become goes on.
func (s *Run) startNativeOdoo(ctx context.Context) error {
	argv, err := s.OdooArgv(ctx, s.Inputs.Here().Options...)
	if err != nil {
		return err
	}
	env, err := s.OdooEnv(ctx)
	if err != nil {
		return err
	}
	startID, err := s.announce()
	if err != nil {
		return err
	}
	path := s.odooLog()
	log, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	from, _ := log.Seek(0, 2)
	cmd := exec.Command(s.Desired.Image.Checker, append([]string{"--require-baseline", "--"}, argv...)...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.Project.Dir, env, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	s.Term.Step("starting Odoo (log: %s)", s.Rel(path))
	if err := cmd.Start(); err != nil {
		return err
	}
	o := nativeStart{s: s, pid: cmd.Process.Pid, from: from, ended: make(chan error, 1)}
	go func() { o.ended <- cmd.Wait() }()
	note := world.OdooProcess{Pid: o.pid, Birth: world.Birth(o.pid), ID: s.Desired.Handoff.ID, Start: s.Inputs.OdooStart()}
	if err := durable.WriteFile(filepath.Join(s.Dirs.State(), state.ProcessFile), []byte(note.Line()), 0o600); err != nil {
		return err
	}
	limit := patience(s.Project.Env["ODPM_TIMEOUT"])
	runs := fmt.Sprintf("ODOO_COMMAND is running (pid %d)", o.pid)
	unproven := func() string {
		return fmt.Sprintf("%s, but its checker has not proven the login within %s", runs, limit)
	}
	if err := o.until(ctx, limit, unproven, func() bool { return s.recordedAt(startID) }); err != nil {
		return err
	}
	since := time.Time{}
	return o.until(ctx, limit, func() string { return s.silent(ctx, runs, s.URL()) }, func() bool {
		switch {
		case isChecker(program(o.pid)):
			return false
		case since.IsZero():
			since = time.Now()
		}
		return !s.Wait && time.Since(since) >= livesFor || s.answers(ctx, s.URL())
	})
}

// nativeStart is one start of ODOO_COMMAND.
type nativeStart struct {
	s   *Run
	pid int
	// from is where its lines begin in the log.
	from  int64
	ended chan error
}

// until waits for a condition as long as the process runs; late says what has not
// come within the limit.
func (o nativeStart) until(ctx context.Context, limit time.Duration, late func() string, done func() bool) error {
	end := time.NewTimer(limit)
	defer end.Stop()
	for {
		select {
		case err := <-o.ended:
			return o.failed(ctx, err)
		case <-ctx.Done():
			return ctx.Err()
		case <-end.C:
			return fmt.Errorf("%s. The last lines of %s:\n%s", late(), o.s.Rel(o.s.odooLog()), o.lastLines())
		case <-time.After(20 * time.Millisecond):
			if done() {
				return nil
			}
		}
	}
}

// failed is for a process that has ended, as the checker or as Odoo.
func (o nativeStart) failed(ctx context.Context, err error) error {
	how, code := "exit code 0", 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
		how = fmt.Sprintf("exit code %d (%s)", code, exitcode.Meaning(code))
		if code < 0 {
			how = exit.String()
		}
	}
	return fmt.Errorf("ODOO_COMMAND ended: %s. The last lines of %s:\n%s%s", how, o.s.Rel(o.s.odooLog()), o.lastLines(), o.s.seenFromHere(ctx, code))
}

func (o nativeStart) lastLines() string { return o.s.odooLogTail(o.from) }

func (s *Run) odooLog() string { return filepath.Join(s.Dirs.State(), "odoo.log") }

// odooLogTail gives the last lines from an offset on.
func (s *Run) odooLogTail(from int64) string {
	f, err := os.Open(s.odooLog())
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if end, err := f.Seek(0, io.SeekEnd); err == nil && end < from {
		// It was cut meanwhile.
		from = 0
	} else {
		from = max(from, end-tailBytes)
	}
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return err.Error()
	}
	data, err := io.ReadAll(io.LimitReader(f, tailBytes))
	if err != nil {
		return err.Error()
	}
	return ui.CleanLines(wording.LastLines(string(data), 15))
}

// tailBytes is more than fifteen lines of a log have.
const tailBytes = 64 << 10

// nativeGoesOn is for an Odoo that an earlier run has started: it runs, its
// checker does not wait any more, and where a person waits it answers.
func (s *Run) nativeGoesOn(ctx context.Context) error {
	if len(s.Project.OdooCommand) == 0 {
		return nil
	}
	p := s.odooProcess()
	for end := time.Now().Add(patience(s.Project.Env["ODPM_TIMEOUT"])); p.Runs(); {
		isOdoo := !isChecker(program(p.Pid))
		if isOdoo && (!s.Wait || s.answers(ctx, s.URL())) {
			return nil
		}
		if time.Now().After(end) {
			if isOdoo {
				return fmt.Errorf("%s. The last lines of %s:\n%s", s.silent(ctx, fmt.Sprintf("ODOO_COMMAND is running (pid %d)", p.Pid), s.URL()), s.Rel(s.odooLog()), s.odooLogTail(0))
			}
			return fmt.Errorf("ODOO_COMMAND is running (pid %d), but its checker has not become Odoo. The last lines of %s:\n%s", p.Pid, s.Rel(s.odooLog()), s.odooLogTail(0))
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("ODOO_COMMAND (pid %d) has ended. The last lines of %s:\n%s", p.Pid, s.Rel(s.odooLog()), s.odooLogTail(0))
}
