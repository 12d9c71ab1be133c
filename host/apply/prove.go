package apply

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/odpm/odpm/host/desired"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/host/world"
	"github.com/odpm/odpm/shared/exitcode"
	"github.com/odpm/odpm/shared/handoff"
	"github.com/odpm/odpm/shared/snapshot"
)

// A run ends well on one of two proofs, and on nothing that an earlier run saw:
// this start's checker has recorded (recordedAt), or a checker that this run has
// started where Odoo runs has logged in (proveNow, proveOnce).

// announce names the start that is about to be made; its checker gives the
// name back in what it records.
func (s *Run) announce() (startID string, err error) {
	startID = handoff.NewStartID()
	return startID, handoff.SaveStart(s.Dirs.Runtime(), startID)
}

// recordedAt tells whether the announced start has recorded this configuration.
func (s *Run) recordedAt(startID string) bool {
	snap, err := snapshot.Load(s.snapshotPath())
	return err == nil && snap.HandoffID == s.Desired.Handoff.ID && snap.StartID == startID
}

// recorded tells whether last_run.json is of this configuration, for a checker
// that has said with its exit code that it has recorded.
func (s *Run) recorded() bool {
	snap, err := snapshot.Load(s.snapshotPath())
	return err == nil && snap.HandoffID == s.Desired.Handoff.ID
}

// proveNow has a checker log in where Odoo runs, by the way that Odoo goes:
// nothing was started by this run. A login from this machine would go by
// another way, and prove nothing about names and networks.
//
// What is recorded already is not recorded again: a run that changes nothing
// leaves every file as it is.
func (s *Run) proveNow(ctx context.Context) error {
	record := plan.MustProve(s.World, s.Desired)
	var err error
	if s.Stack == nil {
		err = s.proveNative(ctx, record)
	} else {
		err = s.proveInside(ctx, record)
	}
	if err == nil && !record {
		s.provenAt = time.Now()
	}
	return err
}

// proveInside runs the checker in Odoo's own container.
func (s *Run) proveInside(ctx context.Context, record bool) error {
	c, err := s.Stack.Container(ctx, s.Project.OdooServiceName)
	if err != nil {
		return err
	}
	argv, err := s.checkArgv(ctx, c)
	if err != nil {
		return err
	}
	patience := nowTimeout
	if own := checkerTimeout(c.Env["ODPM_TIMEOUT"]); own < patience {
		patience = own
	}
	argv = slices.Insert(argv, slices.Index(argv, "--"), "--check", "--timeout", patience.String())
	env := recording(record)
	out := wording.Tail{Max: 16 << 10}
	ectx, cancel := context.WithTimeout(ctx, patience+execMargin)
	defer cancel()
	err = s.Stack.Exec(ectx, c, argv, env, &out)
	var exit *engine.ExitError
	switch {
	case err == nil && record && !s.recorded():
		return s.recordedElsewhere("the checker in Odoo's container")
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	if now, over := s.endedMeanwhile(ctx, c, errors.As(err, &exit) && exit.Code == exitcode.Signal+int(syscall.SIGKILL)); over {
		return s.odooFailed(ctx, now)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the login could not be proven: the checker in Odoo's container %s did not end within %s", c.Name, patience+execMargin)
	case !errors.As(err, &exit), exit.Code == 126, exit.Code == 127:
		// Not the checker's answer: the container has none, or cannot run it.
		return s.proveOnce(ctx, record)
	}
	return s.checkFailed(ctx, "the checker in Odoo's container "+c.Name, exit.Code, out.String())
}

// endedMeanwhile tells whether the container that something was run in has ended,
// or was started again. With a container's end all in it is killed, and the
// engine says so of a program a moment before it says so of the container.
func (s *Run) endedMeanwhile(ctx context.Context, then engine.Container, killed bool) (engine.Container, bool) {
	for end := time.Now().Add(killedMargin); ; {
		now, err := s.Stack.Container(ctx, s.Project.OdooServiceName)
		if err == nil && (!now.Running || again(then, now)) {
			return now, true
		}
		if !killed || time.Now().After(end) || sleep(ctx, 50*time.Millisecond) != nil {
			return now, false
		}
	}
}

// recording tells a checker whether to record. A variable and not a flag: an
// older checker in an image of one's own does not know it, and records.
func recording(record bool) []string {
	if record {
		return []string{"ODPM_REQUIRE_BASELINE=true"}
	}
	return []string{NoRecord}
}

// NoRecord tells a checker that what it runs is none of the project's own starts.
const NoRecord = "ODPM_NO_RECORD=true"

const (
	// nowTimeout is how long a proof waits for a server that is known to accept
	// connections.
	nowTimeout = 10 * time.Second
	// execMargin is for an attempt that has begun, and for a busy machine.
	execMargin = 50 * time.Second
	// killedMargin is far more than an engine takes to see a container's end.
	killedMargin = 5 * time.Second
)

// checkArgv is a checker's command line for what the container was started
// with, by the container's own checker.
func (s *Run) checkArgv(ctx context.Context, c engine.Container) ([]string, error) {
	i := slices.IndexFunc(c.Argv, isChecker)
	if i >= 0 && slices.Contains(c.Argv[i:], "--") {
		return slices.Clone(c.Argv[i:]), nil
	}
	// An override's wrapper, a shell's line: what it becomes is what the project
	// starts without it.
	command, err := s.odooArgvInImage(ctx)
	return append([]string{s.Desired.Image.InImage, "--"}, command...), err
}

// isChecker tells by the first word of a command line.
func isChecker(program string) bool { return filepath.Base(program) == "odpm-checker" }

// odooArgvInImage is what the service starts behind the checker.
func (s *Run) odooArgvInImage(ctx context.Context) ([]string, error) {
	img, err := s.Stack.Image(ctx, s.odooImage(ctx))
	if err != nil {
		return nil, err
	}
	if s.kept != nil {
		if s.Desired.Image.Beside != nil {
			return s.Desired.Image.Beside, nil
		}
		entry, cmd := s.KeptCommand(s.Project.OdooServiceName, img.Entrypoint, img.Cmd)
		return append(inputs.WithoutChecker(entry), cmd...), nil
	}
	entry := inputs.WithoutChecker(img.Entrypoint)
	if len(entry) == 0 {
		entry = desired.OfficialEntrypoint
	}
	return slices.Concat(entry, s.OdooCommand()), nil
}

// odooImage is the image of the running service, else the wanted one.
func (s *Run) odooImage(ctx context.Context) string {
	if c, err := s.Stack.Container(ctx, s.Project.OdooServiceName); err == nil && c.Image != "" {
		return c.Image
	}
	return s.Desired.Image.Ref
}

// proveOnce runs the checker in a one-off container of the Odoo service: the
// same network, the same odoo.conf, the same environment.
func (s *Run) proveOnce(ctx context.Context, record bool) error {
	p := s.Project
	r := engine.RunOnce{Service: p.OdooServiceName, NoDeps: true, Entrypoint: s.Desired.Image.InImage,
		Env: append(recording(record), handoff.EnvID+"="+s.Desired.Handoff.ID)}
	if r.Entrypoint == "" {
		img, err := s.Stack.Image(ctx, s.odooImage(ctx))
		if err != nil {
			return err
		}
		bin, err := world.CheckerPath(p.Env, world.InContainers(img.Arch))
		if err != nil {
			return err
		}
		r.Entrypoint = "/run/odpm/odpm-checker"
		r.Volumes = []string{bin + ":" + r.Entrypoint + ":ro", s.Dirs.Runtime() + ":" + handoff.RuntimeDir + ":ro", s.Dirs.Database() + ":" + handoff.DatabaseDir}
	}
	command, err := s.odooArgvInImage(ctx)
	if err != nil {
		return err
	}
	r.Args = append([]string{"--check", "--"}, command...)
	out := wording.Tail{Max: 16 << 10}
	r.Stdout, r.Stderr = &out, &out
	s.Term.Step("proving the login with a one-off checker")
	octx, cancel := context.WithTimeout(ctx, proofTimeout)
	defer cancel()
	err = s.Stack.RunOnce(octx, r)
	var exit *engine.ExitError
	switch {
	case errors.As(err, &exit):
		return s.checkFailed(ctx, "the one-off checker", exit.Code, out.String())
	case err != nil:
		return err
	case record && !s.recorded():
		return s.recordedElsewhere("the one-off checker")
	}
	return nil
}

// checkFailed is a checker that ended with another code than 0, and what the
// server says of the login.
func (s *Run) checkFailed(ctx context.Context, who string, code int, out string) error {
	msg := fmt.Sprintf("%s ended with exit code %d (%s):\n%s", who, code, exitcode.Meaning(code), ui.CleanLines(out))
	return errors.New(msg + s.seenFromHere(ctx, code))
}

// seenFromHere adds the server's own view to a login that the checker could
// not make: "" where this machine can log in.
func (s *Run) seenFromHere(ctx context.Context, code int) string {
	if code != exitcode.Refused && code != exitcode.Unavailable {
		return ""
	}
	if err := s.ProveRole(ctx); err != nil {
		return "\n" + err.Error()
	}
	return ""
}

func (s *Run) recordedElsewhere(who string) error {
	return fmt.Errorf("%s logged in, but %s does not carry this configuration's id; is .odpm/database mounted at %s?", who, s.Rel(s.snapshotPath()), handoff.DatabaseDir)
}

// checkerTimeout reads ODPM_TIMEOUT as the checker does; what cannot be read
// the checker refuses, and its own default stands here.
func checkerTimeout(text string) time.Duration {
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d
	}
	return defaultCheckerTimeout
}
