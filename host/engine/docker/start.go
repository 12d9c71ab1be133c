package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/odpm/odpm/host/wording"
)

// stopSeconds is how long PostgreSQL gets for its shutdown checkpoint before
// Docker kills it. Docker's own default of 10 ends in crash recovery at the
// next start (docker-library/postgres#184).
const stopSeconds = "120"

// Start runs `docker compose up` for PostgreSQL alone and waits until it
// accepts connections over TCP, or its container gives up.
func (e *Engine) Start(ctx context.Context) error {
	c, err := e.ofService(ctx, e.o.Service)
	if err != nil {
		return err
	}
	if c != nil && c.State.Paused {
		// compose leaves a paused container as it is.
		if _, err := e.cl.output(ctx, "unpause", c.ID); err != nil {
			return fmt.Errorf("start PostgreSQL: %w", err)
		}
	}
	if c == nil || !c.State.Running || !e.hasData(ctx, *c) {
		if c, err = e.upAlone(ctx); err != nil {
			return err
		}
	}
	err = e.waitReady(ctx, c)
	var ended *endedStarting
	if !errors.As(err, &ended) {
		return err
	}
	if removed, rerr := e.removeEmptyPid(ctx, *c); rerr != nil || !removed {
		return errors.Join(err, rerr)
	}
	e.notify("an empty postmaster.pid, as a power cut leaves it, kept PostgreSQL from starting and was removed")
	if c, err = e.upAlone(ctx); err != nil {
		return err
	}
	return e.waitReady(ctx, c)
}

// upAlone starts the service and gives its container.
func (e *Engine) upAlone(ctx context.Context) (*container, error) {
	if err := e.cl.stream(ctx, nil, e.compose("up", "-d", "--no-deps", e.o.Service)...); err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w%s", err, e.lastWords(ctx))
	}
	c, err := e.ofService(ctx, e.o.Service)
	if err == nil && c == nil {
		err = fmt.Errorf("docker compose started service %s, but there is no container of it in project %s. To look: docker compose -p %s ps -a", e.o.Service, e.o.Project, e.o.Project)
	}
	return c, err
}

// waitReady waits in the container. The restarts that it had when the wait
// began do not count against it.
func (e *Reader) waitReady(ctx context.Context, c *container) error {
	told := false
	restarts := c.RestartCount
	for {
		ask := "tell"
		if told {
			ask = "told"
		}
		out, err := e.cl.output(ctx, "exec", "--user", c.osUser(), c.ID, "sh", "-c", untilReady, "sh", ask)
		if strings.Contains(out, "ready") {
			return nil
		}
		if strings.Contains(out, "recovery") && !told {
			told = true
			e.notify("PostgreSQL is recovering after a crash or a kill; it replays its write-ahead log and then accepts connections")
		}
		if ctx.Err() != nil {
			return e.notInTime(ctx, c, told)
		}
		if errors.Is(err, wording.ErrTooMuch) {
			// No shell says so much: it is none.
			return fmt.Errorf("PostgreSQL in container %s cannot be queried: %w", c.name(), err)
		}
		look, cancel := detached(ctx, 20*time.Second)
		now, lookErr := e.cl.inspect(look, c.ID)
		cancel()
		if lookErr != nil {
			return lookErr
		}
		if len(now) == 0 {
			return fmt.Errorf("the container %s of PostgreSQL was removed while it started", c.name())
		}
		// With a restart policy a container that fails comes back and fails
		// again; waiting for it would be waiting for ever.
		if n := now[0]; !n.State.Running || n.State.Restarting || n.RestartCount > restarts {
			return e.ended(ctx, n)
		}
		if err != nil {
			select {
			case <-ctx.Done():
				return e.notInTime(ctx, c, told)
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}

func (e *Reader) ended(ctx context.Context, c container) error {
	why := fmt.Sprintf("exit code %d", c.State.ExitCode)
	if c.State.Error != "" {
		why += ", " + c.State.Error
	}
	return &endedStarting{fmt.Sprintf("PostgreSQL ended while starting (container %s, %s).%s", c.name(), why, e.words(ctx, c.ID))}
}

func (e *Reader) notInTime(ctx context.Context, c *container, recovering bool) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ctx.Err()
	}
	what := "was not ready in time"
	next := "For details: docker logs " + c.name()
	if recovering {
		what = "is still recovering after a crash or a kill"
		next = "It continues by itself; watch it with docker logs -f " + c.name() + " and run odpm again when it accepts connections"
	}
	return fmt.Errorf("PostgreSQL %s (container %s). %s.%s", what, c.name(), next, e.words(ctx, c.ID))
}

// lastWords adds what the service's container wrote before compose gave up.
func (e *Reader) lastWords(ctx context.Context) string {
	ctx, cancel := detached(ctx, 10*time.Second)
	defer cancel()
	c, err := e.ofService(ctx, e.o.Service)
	if err != nil || c == nil || c.State.Running {
		return ""
	}
	return e.words(ctx, c.ID)
}

func (e *Reader) words(ctx context.Context, id string) string {
	ctx, cancel := detached(ctx, 10*time.Second)
	defer cancel()
	log, err := e.logs(ctx, id, 12)
	if log = strings.TrimSpace(log); err != nil || log == "" {
		return ""
	}
	return " Its last lines:\n" + log
}

// Stop stops PostgreSQL's container, which is found by labels.
func (e *Engine) Stop(ctx context.Context) error {
	list, err := e.allOfService(ctx, e.o.Service)
	if err != nil {
		return err
	}
	for _, c := range list {
		if err := e.stop(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// stop gives PostgreSQL its time. Where the image's or the compose file's stop
// signal is not SIGINT, PostgreSQL would wait for every session
// (SIGTERM is its smart shutdown); a SIGINT ahead makes it a fast one.
func (e *Reader) stop(ctx context.Context, c container) error {
	if !c.State.Running {
		return nil
	}
	if c.State.Paused {
		if _, err := e.cl.output(ctx, "unpause", c.ID); err != nil {
			return fmt.Errorf("stop container %s: %w", c.name(), err)
		}
	}
	if s := strings.TrimPrefix(c.Config.StopSignal, "SIG"); c.env("PGDATA") != "" && s != "INT" && s != "2" {
		e.cl.output(ctx, "kill", "--signal", "SIGINT", c.ID)
	}
	args := []string{"stop", c.ID}
	if e.isPostgres(c) {
		args = []string{"stop", "-t", stopSeconds, c.ID}
	}
	if _, err := e.cl.ask(ctx, stopTime, answerSize, nil, args...); err != nil && !noSuch(err) {
		return fmt.Errorf("stop container %s: %w", c.name(), err)
	}
	return nil
}

// isPostgres tells whom Docker must not kill early. Anybody else has the time
// that the compose file gives: a program that ignores SIGTERM would take it all.
func (e *Reader) isPostgres(c container) bool {
	return c.service() == e.o.Service || c.env("PGDATA") != "" ||
		slices.ContainsFunc(c.Mounts, func(m mount) bool { return strings.Contains(m.Destination, "postgres") })
}
