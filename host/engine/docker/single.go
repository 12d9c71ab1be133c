package docker

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/wording"
)

// SingleUser runs SQL on the stopped data in a one-off container without a
// network: with the mounts of PostgreSQL's own stopped container where there
// is one, so that tablespaces and secrets are there too, else with the data
// alone where the image wants them.
func (e *Engine) SingleUser(ctx context.Context, script string) (string, error) {
	holders, err := e.Holders(ctx)
	if err != nil {
		return "", err
	}
	if len(holders) > 0 {
		return "", heldError(holders)
	}
	c, err := e.ofService(ctx, e.o.Service)
	if err != nil {
		return "", err
	}
	if c != nil && c.State.Running {
		return "", heldError([]engine.Holder{holder(*c)})
	}
	// A recovery after a crash may come first.
	run := oneOff{name: "odpm-single-" + token(), image: e.o.Image, limit: time.Hour}
	pgdata, user := e.pgdata(), "postgres"
	if c != nil && e.hasData(ctx, *c) {
		run.mounts = []string{"--volumes-from", c.ID}
		user = c.osUser()
		if v := c.env("PGDATA"); v != "" {
			pgdata = v
		}
		// Its own image where the project names none: the same server programs
		// that wrote the data, with the same libraries.
		if ok, _ := e.present(ctx, run.image); !ok {
			run.image = c.Image
		}
	} else {
		m, err := e.dataMount(ctx, e.dataTarget(), false)
		if err != nil {
			return "", err
		}
		run.mounts = []string{"--mount", m}
		// Where the cluster is below the mount is read off the data; a compose
		// file of somebody's may mount them in another way than it is here.
		if f, err := e.Look(ctx); err == nil && f.State == datadir.Initialised {
			pgdata = path.Join(e.dataTarget(), f.ClusterDir)
		}
	}
	server := []string{"--single", "-D", pgdata, "-c", "exit_on_error=on", "-c", "lc_messages=C", "postgres"}
	if strings.Trim(user, "0123456789:") == "" {
		// PostgreSQL looks up its user's name, and a bare number has none in
		// the image: it is given one, then root is left behind.
		run.user, run.entrypoint, run.args = "0:0", "sh", append([]string{"-c", asNumber, "sh", user}, server...)
	} else {
		run.user, run.entrypoint, run.args = user, "postgres", server
	}
	if !strings.HasSuffix(script, "\n") {
		script += "\n"
	}
	run.stdin = script
	_, stderr, err := e.runOneOff(ctx, run)
	if err != nil {
		if ctx.Err() != nil {
			return stderr, err
		}
		var exit *engine.ExitError
		if errors.As(err, &exit) {
			return stderr, fmt.Errorf("postgres --single exited with code %d:\n%s", exit.Code, wording.LastLines(strings.TrimSpace(stderr), 10))
		}
		return stderr, fmt.Errorf("postgres --single: %w", err)
	}
	// The exit code alone has told lies (0 without exit_on_error).
	for _, l := range strings.Split(stderr, "\n") {
		if strings.Contains(l, "ERROR:") || strings.Contains(l, "FATAL:") || strings.Contains(l, "PANIC:") {
			return stderr, fmt.Errorf("postgres --single: %s", strings.TrimSpace(l))
		}
	}
	return stderr, nil
}

// asNumber runs PostgreSQL as a uid that the image does not know.
const asNumber = `who=$1; shift
uid=${who%%:*}; gid=${who#*:}
grep -q "^[^:]*:[^:]*:$uid:" /etc/passwd || echo "odpm:x:$uid:$gid::/:/bin/sh" >>/etc/passwd
if command -v gosu >/dev/null 2>&1; then exec gosu "$uid:$gid" postgres "$@"; fi
if command -v su-exec >/dev/null 2>&1; then exec su-exec "$uid:$gid" postgres "$@"; fi
exec setpriv --reuid="$uid" --regid="$gid" --clear-groups postgres "$@"
`

func heldError(holders []engine.Holder) error {
	var lines []string
	for _, h := range holders {
		lines = append(lines, fmt.Sprintf("%s %s is using it; stop it: %s", h.Kind, h.Name, h.StopCommand))
	}
	return fmt.Errorf("single-user mode needs the data directory to itself, because a second server would destroy it:\n  %s", strings.Join(lines, "\n  "))
}

// hasData: the container mounts the project's data as configured now.
func (e *Reader) hasData(ctx context.Context, c container) bool {
	d, err := e.data(ctx)
	if err != nil {
		return false
	}
	devices, err := e.cl.devices(ctx, c.Mounts...)
	if err != nil {
		return false
	}
	for _, m := range c.Mounts {
		for _, name := range d.volumes {
			if m.Name == name {
				return true
			}
		}
		for _, s := range []string{m.Source, devices[m.Name]} {
			for _, p := range d.places {
				if s != "" && relate(newPlace(s), p) != apart && (relate(p, newPlace(s)) != apart) {
					return true
				}
			}
		}
	}
	return false
}

func (e *Reader) dataTarget() string {
	if e.o.DataTarget != "" {
		return e.o.DataTarget
	}
	return datadir.MountTarget(e.o.Major)
}

func (e *Reader) pgdata() string {
	if e.o.PGData != "" {
		return e.o.PGData
	}
	return datadir.PGData(e.o.Major)
}

// dataMount mounts the data, which must exist: Docker makes a missing volume.
func (e *Reader) dataMount(ctx context.Context, target string, readOnly bool) (string, error) {
	dir, name, err := e.source(ctx)
	switch {
	case err != nil:
		return "", err
	case dir != "":
		return bindMount(dir, target, readOnly), nil
	case name == "":
		return "", errors.New("neither a data directory nor a volume is known, and service " + e.o.Service + " has no container either")
	}
	vs, err := e.cl.volumes(ctx, name)
	if err != nil {
		return "", err
	}
	if len(vs) == 0 {
		return "", fmt.Errorf("there is no volume %s; docker volume ls lists those that exist", name)
	}
	return volumeMount(name, target, readOnly), nil
}

// oneOff is a short container of ours.
type oneOff struct {
	name, image, user, entrypoint string
	// options go before the image, mounts with them.
	options, mounts, args []string
	stdin                 string
	// limit is how long it may take, an answer's time where it is 0.
	limit time.Duration
}

// noAnswer is how long a container was waited for.
type noAnswer time.Duration

func (n noAnswer) Error() string { return fmt.Sprintf("no answer within %s", time.Duration(n)) }

// runOneOff runs a container without a network and removes it, also when ctx
// ends: a docker client that dies leaves its container running.
func (e *Reader) runOneOff(ctx context.Context, r oneOff) (stdout, stderr string, err error) {
	args := []string{"run", "--rm", "-i", "--name", r.name, "--network", "none", "--pull", "never", "--log-driver", "none", "--user", r.user, "--entrypoint", r.entrypoint}
	args = append(append(append(args, r.options...), r.mounts...), r.image)
	limit := cmp.Or(r.limit, e.cl.answer)
	timed, cancel := context.WithTimeoutCause(ctx, limit, noAnswer(limit))
	defer cancel()
	bounded, full := context.WithCancelCause(timed)
	defer full(nil)
	cmd := e.cl.command(bounded, append(args, r.args...)...)
	cmd.Stdin = strings.NewReader(r.stdin)
	out, errs := &wording.Answer{Max: answerSize, Full: full}, &wording.Tail{Max: answerSize}
	cmd.Stdout, cmd.Stderr = out, errs
	cmd.Cancel = func() error {
		end, done := detached(ctx, 30*time.Second)
		defer done()
		if r.limit > 0 {
			// PostgreSQL ends its statement and shuts down.
			e.cl.output(end, "stop", "-t", "10", r.name)
		}
		e.cl.output(end, "rm", "-f", "-v", r.name)
		return cmd.Process.Signal(syscall.SIGTERM)
	}
	runErr := cmd.Run()
	if cause := context.Cause(bounded); cause != nil && ctx.Err() == nil {
		return "", "", fmt.Errorf("%s run: %w", Program, cause)
	}
	if runErr == nil {
		return out.String(), errs.String(), nil
	}
	var exit *exec.ExitError
	if ctx.Err() == nil && errors.As(runErr, &exit) && !e.neverRan(ctx, r.name) && !notStarted(exit.ExitCode(), errs.String()) {
		return out.String(), errs.String(), &engine.ExitError{Program: r.entrypoint, Code: exit.ExitCode(), Stderr: wording.LastLines(strings.TrimSpace(errs.String()), 10)}
	}
	return out.String(), errs.String(), failure(ctx, []string{"run"}, runErr, errs.String())
}

// neverRan: where it could not attach to the container, docker run leaves it as
// it was made, and ends with 1 (Podman's answer 409, whatever the reason).
func (e *Reader) neverRan(ctx context.Context, name string) bool {
	now, err := e.cl.inspect(ctx, name)
	if err != nil || len(now) == 0 {
		return false
	}
	e.cl.output(ctx, "rm", "-f", "-v", name)
	return !now[0].ran()
}

// notStarted: docker run ends with 125 where the engine refused, and with 126
// or 127 where it could not start the program, which then said nothing itself.
func notStarted(code int, stderr string) bool {
	return code == 125 || (code == 126 || code == 127) && strings.HasPrefix(strings.TrimSpace(stderr), Program+": ")
}

// token makes the names of containers of ours.
func token() string {
	var b [5]byte
	if _, err := rand.Read(b[:]); err != nil {
		return strconv.FormatInt(time.Now().UnixNano(), 36)
	}
	return hex.EncodeToString(b[:])
}
