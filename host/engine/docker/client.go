package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/odpm/odpm/host/interrupt"
	"github.com/odpm/odpm/host/wording"
)

// Program is the client that is run, found on PATH.
const Program = "docker"

// client runs the docker command line, and asks the engine through it.
type client struct {
	env []string
	dir string
	api *api
	// answer is how long the engine, or a small program in a container, has for
	// an answer. What the image calls sh may be anything.
	answer time.Duration
	// memo is a look's, nil where every question is asked.
	memo *memo
}

func newClient(env []string, dir string) client {
	c := client{env: env, dir: dir, answer: answerTime}
	c.api = newAPI(c)
	return c
}

// command prepares a run. The process gets a group of its own: Ctrl-C at the
// terminal reaches odpm alone, which ends its work in order and needs its
// connections for that.
func (c client) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, Program, args...)
	cmd.Dir = c.dir
	if _, err := os.Stat(c.dir); err != nil {
		cmd.Dir = ""
	}
	cmd.Env = append(os.Environ(), c.env...)
	// Progress bars and colours are for a terminal that is not there; the
	// classic builder's deprecation note is for nobody.
	cmd.Env = append(cmd.Env, "COMPOSE_ANSI=never", "DOCKER_CLI_HINTS=false")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	// Ctrl-C ends a client that does not listen, too.
	cmd.WaitDelay = time.Second
	return cmd
}

const (
	answerTime = time.Minute
	// answerSize is what such an answer may have.
	answerSize = 1 << 20
	// documentSize is for compose's document, which holds whole files.
	documentSize = 64 << 20
	// stopTime is for stopping, where Docker kills after the time that the
	// container has.
	stopTime = 15 * time.Minute
)

// output runs and gives stdout, which is an answer; stderr is for the error.
func (c client) output(ctx context.Context, args ...string) (string, error) {
	return c.ask(ctx, c.answer, answerSize, nil, args...)
}

// ask runs what has some time and some bytes for its answer.
func (c client) ask(ctx context.Context, limit time.Duration, size int, stdin io.Reader, args ...string) (string, error) {
	timed, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	defer cancel()
	bounded, full := context.WithCancelCause(timed)
	defer full(nil)
	cmd := c.command(bounded, args...)
	out, errs := &wording.Answer{Max: size, Full: full}, &wording.Tail{Max: 64 << 10}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, out, errs
	err := cmd.Run()
	if cause := context.Cause(bounded); cause != nil && ctx.Err() == nil {
		return "", fmt.Errorf("%s: %w", verb(args), cause)
	}
	return out.String(), failure(ctx, args, err, errs.String())
}

// stream runs and sends all that docker says to w; its last lines are in the
// error too, since w may be nobody.
func (c client) stream(ctx context.Context, w io.Writer, args ...string) error {
	cmd := c.command(ctx, args...)
	errs := &wording.Tail{Max: 16 << 10}
	cmd.Stderr = errs
	if w != nil {
		var mu sync.Mutex
		said := &withoutObsolete{to: &locked{&mu, w}}
		defer said.flush()
		cmd.Stdout, cmd.Stderr = &locked{&mu, w}, io.MultiWriter(said, errs)
	}
	return failure(ctx, args, cmd.Run(), errs.String())
}

// withoutObsolete passes lines on, all but compose's own of a `version` in the file,
// which it logs at every command.
type withoutObsolete struct {
	to   io.Writer
	part []byte
}

func (o *withoutObsolete) Write(p []byte) (int, error) {
	o.part = append(o.part, p...)
	for {
		i := bytes.IndexByte(o.part, '\n')
		if i < 0 {
			return len(p), nil
		}
		line := o.part[:i+1]
		if !bytes.HasPrefix(line, []byte("time=")) || !bytes.Contains(line, []byte("the attribute `version` is obsolete")) {
			if _, err := o.to.Write(line); err != nil {
				return 0, err
			}
		}
		o.part = o.part[i+1:]
	}
}

func (o *withoutObsolete) flush() {
	if len(o.part) > 0 {
		o.to.Write(o.part)
		o.part = nil
	}
}

// Failure is a docker command that did not work.
type Failure struct {
	// Verb is what was run, without options: "docker compose up".
	Verb string
	// Code is docker's exit code; 0 where the engine's API was asked.
	Code int
	// HTTP is the status of the engine's answer (409), 0 where the client was run.
	HTTP int
	// Stderr holds docker's own last lines.
	Stderr string
}

func (f *Failure) Error() string {
	if f.Stderr == "" && f.HTTP != 0 {
		return fmt.Sprintf("%s: the engine answered %d %s and said nothing else", f.Verb, f.HTTP, http.StatusText(f.HTTP))
	}
	if f.Stderr == "" {
		return fmt.Sprintf("%s failed with exit code %d and said nothing", f.Verb, f.Code)
	}
	return f.Verb + ": " + f.Stderr
}

// failure makes a readable error of a run. Arguments are not repeated: the
// verb is enough to find the place, and docker's own words say the rest.
func failure(ctx context.Context, args []string, err error, stderr string) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", verb(args), ctx.Err())
	}
	if errors.Is(err, exec.ErrNotFound) {
		return errNoClient()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &Failure{Verb: verb(args), Code: exit.ExitCode(), Stderr: wording.LastLines(clean(stderr), 12)}
	}
	return fmt.Errorf("%s: %w", verb(args), err)
}

// verb is "docker compose up" of compose -p x -f y up -d.
func verb(args []string) string {
	words := []string{Program}
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "-p" || a == "-f" || a == "--project-directory":
			i++
		case strings.HasPrefix(a, "-"):
		default:
			words = append(words, a)
			if a != "compose" && a != "image" && a != "volume" {
				return strings.Join(words, " ")
			}
		}
	}
	return strings.Join(words, " ")
}

// clean drops what docker repeats and nobody needs.
func clean(s string) string {
	var keep []string
	for _, l := range strings.Split(s, "\n") {
		l = strings.TrimSpace(strings.TrimPrefix(l, "Error response from daemon: "))
		if l == "" || strings.HasPrefix(l, "See 'docker") || strings.HasPrefix(l, "Run 'docker") ||
			strings.HasPrefix(l, "time=") && strings.Contains(l, "level=warning") {
			continue
		}
		keep = append(keep, l)
	}
	return strings.Join(keep, "\n")
}

// noSuch tells whether docker does not know the named object.
func noSuch(err error) bool {
	var f *Failure
	return errors.As(err, &f) && (f.HTTP == http.StatusNotFound || strings.Contains(strings.ToLower(f.Stderr), "no such"))
}

// locked serialises the two streams of a program, which may be given the same
// writer.
type locked struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// detached is for what must still be done when ctx has ended: stopping in a
// container what nobody waits for any more.
func detached(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return interrupt.Cleanup(ctx, limit)
}
