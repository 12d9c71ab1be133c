package docker

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/wording"
)

// Config gives the document that compose works with, as JSON. A candidate stands
// in for the file that odpm writes, through stdin.
func (e *Reader) Config(ctx context.Context, candidate []byte) ([]byte, error) {
	files := slices.Clone(e.o.Files)
	if candidate != nil {
		if len(files) == 0 {
			files = []string{""}
		}
		files[max(0, slices.Index(files, e.o.Own))] = "-"
	}
	var stdin io.Reader
	if candidate != nil {
		stdin = bytes.NewReader(candidate)
	}
	out, err := e.cl.ask(ctx, e.cl.answer, documentSize, stdin, e.composeFiles(files, "config", "--format", "json")...)
	return []byte(out), err
}

// ComposeProgram names the plugin's file, its size and its time.
func (e *Reader) ComposeProgram() string {
	path, info := e.cl.composePlugin()
	if path == "" {
		return ""
	}
	return fmt.Sprintf("%s %d %s", path, info.Size(), info.ModTime().UTC().Format(time.RFC3339Nano))
}

// StopService stops and removes a service's containers, found by labels.
// Volumes stay, anonymous ones too: they may be somebody's data.
func (e *Engine) StopService(ctx context.Context, service string) error {
	list, err := e.allOfService(ctx, service)
	if err != nil {
		return err
	}
	for _, c := range list {
		if err := e.stop(ctx, c); err != nil {
			return err
		}
		if _, err := e.cl.output(ctx, "rm", c.ID); err != nil && !noSuch(err) {
			return fmt.Errorf("remove container %s: %w", c.name(), err)
		}
	}
	return nil
}

// StopContainer stops one that is there; one that went away meanwhile is no error.
func (e *Engine) StopContainer(ctx context.Context, id string) (bool, error) {
	list, err := e.cl.all(ctx, "id="+id)
	if err != nil || len(list) != 1 || !list[0].State.Running {
		return false, err
	}
	return true, e.stop(ctx, list[0])
}

// Volume looks at the volume object and at who has it.
func (e *Reader) Volume(ctx context.Context, key string) (engine.Volume, error) {
	name := e.o.Project + "_" + key
	vs, err := e.cl.volumes(ctx, name)
	if err != nil || len(vs) == 0 {
		return engine.Volume{}, err
	}
	v := engine.Volume{Name: name, Device: vs[0].device()}
	a, b := newPlace(v.Device), newPlace(e.o.DataDir)
	v.Right = v.Device == e.o.DataDir || v.Device != "" && e.o.DataDir != "" && relate(a, b) == within && relate(b, a) == within
	if v.Right {
		return v, nil
	}
	users, err := e.cl.all(ctx, "volume="+name)
	for _, c := range users {
		v.Users = append(v.Users, c.name())
	}
	return v, err
}

// RemoveVolume removes a volume object that binds another directory than the
// wanted one, so that compose makes it anew: compose itself would keep using the
// old directory and only warn. A volume of Docker's own holds data and is
// never removed.
func (e *Engine) RemoveVolume(ctx context.Context, name string) error {
	vs, err := e.cl.volumes(ctx, name)
	if err != nil || len(vs) == 0 {
		return err
	}
	device := vs[0].device()
	if device == "" {
		return fmt.Errorf("the volume %s contains data itself, so it was not removed", name)
	}
	if _, err := e.cl.output(ctx, "volume", "rm", name); err != nil && !noSuch(err) {
		return fmt.Errorf("remove the volume object %s (the directory %s stays): %w", name, device, err)
	}
	return nil
}

// Container is what a service's container does, the zero value where there is
// none.
func (e *Reader) Container(ctx context.Context, service string) (engine.Container, error) {
	c, err := e.ofService(ctx, service)
	if err != nil || c == nil {
		return engine.Container{}, err
	}
	return c.public(), nil
}

// Containers lists a compose project's containers in any state, of any
// working directory.
func (e *Reader) Containers(ctx context.Context, project string) ([]engine.Container, error) {
	list, err := e.cl.all(ctx, "label="+labelProject+"="+project)
	if err != nil {
		return nil, err
	}
	var out []engine.Container
	for _, c := range list {
		out = append(out, c.public())
	}
	return out, nil
}

func (c container) public() engine.Container {
	p := engine.Container{
		ID: c.ID, Name: c.name(), Service: c.service(), Project: c.project(), WorkingDir: c.Config.Labels[labelDir],
		Running: c.State.Running && !c.State.Restarting && !c.State.Paused, Paused: c.State.Paused, Published: c.published(), HostNetwork: c.HostConfig.NetworkMode == "host", ExitCode: c.State.ExitCode, Image: c.Config.Image,
		Argv: append([]string{c.Path}, c.Args...), StartedAt: c.State.StartedAt,
		Env: c.environ(), RestartCount: c.RestartCount, ConfigHash: c.Config.Labels[labelHash], OneOff: c.oneOff(),
	}
	if c.State.Health != nil && c.State.Health.Status != "none" {
		p.Health = c.State.Health.Status
	}
	return p
}

// published are the ports as Docker has bound them, IPv4 first.
func (c container) published() []engine.Published { return tcp(c.NetworkSettings.Ports) }

func tcp(ports map[string][]portBinding) []engine.Published {
	var out []engine.Published
	for name, bindings := range ports {
		inside, isTCP := strings.CutSuffix(name, "/tcp")
		n, err := strconv.Atoi(inside)
		if !isTCP || err != nil {
			continue
		}
		for _, b := range bindings {
			if port, err := strconv.Atoi(b.HostPort); err == nil && port > 0 {
				out = append(out, engine.Published{HostIP: b.HostIp, HostPort: port, Inside: n})
			}
		}
	}
	slices.SortFunc(out, func(a, b engine.Published) int {
		return cmp.Or(cmp.Compare(a.Inside, b.Inside), cmp.Compare(strings.Count(a.HostIP, ":"), strings.Count(b.HostIP, ":")), cmp.Compare(a.HostPort, b.HostPort))
	})
	return out
}

// PortHolder names the container that publishes a port of this host, or will
// in a moment: one that is started again and again has it only while it runs.
func (e *Reader) PortHolder(ctx context.Context, port int) (string, error) {
	// Not by the filter "publish", which Podman does not know.
	list, err := e.cl.running(ctx)
	if err != nil {
		return "", err
	}
	here := func(p engine.Published) bool { return p.HostPort == port }
	for _, c := range list {
		if slices.ContainsFunc(c.published(), here) {
			return c.name(), nil
		}
	}
	for _, c := range list {
		if slices.ContainsFunc(tcp(c.HostConfig.PortBindings), here) {
			return c.name(), nil
		}
	}
	return "", nil
}

// RunOnce runs a one-off container of a service. When ctx ends the container
// is stopped and removed. Odoo has a moment: what it has not committed is
// undone, however it ends.
func (e *Engine) RunOnce(ctx context.Context, r engine.RunOnce) error {
	name := e.o.Project + "-once-" + token()
	// Not --rm: only the container knows whether its program ran at all.
	args := []string{"run", "-T", "--name", name, "--label", labelOnce + "="}
	if r.NoDeps {
		args = append(args, "--no-deps")
	}
	if r.Entrypoint != "" {
		args = append(args, "--entrypoint", r.Entrypoint)
	}
	for _, kv := range r.Env {
		// By name: the value travels in the client's environment.
		k, _, _ := strings.Cut(kv, "=")
		args = append(args, "-e", k)
	}
	for _, v := range r.Volumes {
		args = append(args, "-v", v)
	}
	args = append(append(args, r.Service), r.Args...)
	cmd := e.cl.command(ctx, e.compose(args...)...)
	// What compose does around the container is not the program's output.
	cmd.Env = append(append(cmd.Env, r.Env...), "COMPOSE_PROGRESS=quiet")
	cmd.Stdin = r.Stdin
	errs := &wording.Tail{Max: 64 << 10}
	cmd.Stderr = errs
	var mu sync.Mutex
	if r.Stdout != nil {
		cmd.Stdout = &locked{&mu, r.Stdout}
	}
	if r.Stderr != nil {
		cmd.Stderr = io.MultiWriter(&locked{&mu, r.Stderr}, errs)
	}
	remove := func(end context.Context) { e.cl.output(end, "rm", "-f", "-v", name) }
	cmd.Cancel = func() error {
		end, cancel := detached(ctx, 30*time.Second)
		defer cancel()
		e.cl.output(end, "stop", "-t", "2", name)
		remove(end)
		return cmd.Process.Signal(syscall.SIGTERM)
	}
	err := cmd.Run()
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("one-off run of %s: %w", r.Service, ctx.Err())
	}
	end, cancel := detached(ctx, 30*time.Second)
	defer cancel()
	defer remove(end)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		// compose's own exit code is the program's only where that ran: a name
		// that is taken, a network that is gone and a program that is not in the
		// image end with one as well.
		now, lerr := e.cl.inspect(end, name)
		if lerr != nil || len(now) == 0 || !now[0].ran() {
			return failure(ctx, []string{"compose", "run"}, err, errs.String())
		}
		program := r.Service
		if r.Entrypoint != "" {
			program = r.Entrypoint
		} else if len(r.Args) > 0 {
			program = r.Args[0]
		}
		return &engine.ExitError{Program: program, Code: now[0].State.ExitCode, Stderr: wording.LastLines(strings.TrimSpace(errs.String()), 10)}
	}
	return err
}

// labelOnce marks the containers of RunOnce: a kill of odpm leaves one.
const labelOnce = "io.github.odpm.once"
