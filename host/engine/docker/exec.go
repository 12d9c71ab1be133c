package docker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/wording"
)

// Exec runs a program in a container that runs as docker exec would:
// with its network, its mounts, its environment and its user. When ctx ends the
// program is not waited for any more; Docker has no way to end it.
func (e *Engine) Exec(ctx context.Context, c engine.Container, argv, env []string, out io.Writer) error {
	if c.ID == "" || !c.Running {
		return fmt.Errorf("the container in which %s was to run is not running", argv[0])
	}
	var made struct{ ID string }
	err := e.cl.api.ask(ctx, "exec", http.MethodPost, "/containers/"+c.ID+"/exec", nil,
		map[string]any{"AttachStdout": true, "AttachStderr": true, "Cmd": argv, "Env": env}, &made)
	if err != nil {
		return err
	}
	resp, err := e.cl.api.do(ctx, "exec", http.MethodPost, "/exec/"+made.ID+"/start", nil, map[string]any{"Detach": false, "Tty": false})
	if err != nil {
		return err
	}
	tail := &wording.Tail{Max: 16 << 10}
	err = bothStreams(io.MultiWriter(out, tail), resp.Body)
	resp.Body.Close()
	if err != nil {
		return fmt.Errorf("docker exec in %s: %w", c.Name, errors.Join(err, ctx.Err()))
	}
	for {
		var state struct {
			Running  bool
			ExitCode int
		}
		if err := e.cl.api.get(ctx, "exec", "/exec/"+made.ID+"/json", nil, &state); err != nil {
			return err
		}
		if !state.Running {
			if state.ExitCode != 0 {
				return &engine.ExitError{Program: argv[0], Code: state.ExitCode, Stderr: wording.LastLines(strings.TrimSpace(tail.String()), 10)}
			}
			return nil
		}
		// The streams end a moment before the engine knows of the program's end.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// bothStreams takes the two streams of a program apart, in which the engine
// sends them: each piece behind a head of eight bytes, the last four of which
// are its length.
func bothStreams(out io.Writer, in io.Reader) error {
	for {
		var head [8]byte
		if _, err := io.ReadFull(in, head[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if _, err := io.CopyN(out, in, int64(binary.BigEndian.Uint32(head[4:]))); err != nil {
			return err
		}
	}
}

// Processes are the command lines of a service's container, nil where they
// cannot be seen: the engine's machine may have no ps.
func (e *Reader) Processes(ctx context.Context, service string) ([]string, error) {
	c, err := e.ofService(ctx, service)
	if err != nil || c == nil || !c.State.Running {
		return nil, err
	}
	var top struct{ Processes [][]string }
	err = e.cl.api.get(ctx, "top", "/containers/"+c.ID+"/top", map[string][]string{"ps_args": {"-eo pid,args"}}, &top)
	if err != nil {
		return nil, ctx.Err()
	}
	var lines []string
	for _, p := range top.Processes {
		if len(p) > 1 {
			lines = append(lines, p[1])
		}
	}
	return lines, nil
}
