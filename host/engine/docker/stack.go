package docker

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
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

// Validate lets compose itself judge the files. A candidate stands in for the
// first of them, through stdin.
func (e *Engine) Validate(ctx context.Context, candidate []byte) error {
	files := slices.Clone(e.o.Files)
	if candidate != nil {
		if len(files) == 0 {
			files = []string{""}
		}
		files[0] = "-"
	}
	args := e.composeFiles(files, "config", "--quiet")
	cmd := e.cl.command(ctx, args...)
	if candidate != nil {
		cmd.Stdin = bytes.NewReader(candidate)
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	return failure(ctx, args, cmd.Run(), errs.String())
}

// Config gives the document that compose works with, as JSON.
func (e *Engine) Config(ctx context.Context) ([]byte, error) {
	out, err := e.cl.output(ctx, e.compose("config", "--format", "json")...)
	return []byte(out), err
}

// Up makes services run as the compose file says. Other services that they
// depend on are started where they do not run, and left alone where they do.
func (e *Engine) Up(ctx context.Context, out io.Writer, services ...string) error {
	e.sweep(ctx, labelLook, lookedLong)
	if err := e.unpause(ctx); err != nil {
		return err
	}
	if err := e.notUnhealthy(ctx); err != nil {
		return err
	}
	deps, err := e.dependencies(ctx, services)
	if err != nil {
		return err
	}
	if len(deps) > 0 {
		if err := e.cl.stream(ctx, out, e.compose(append([]string{"up", "-d", "--no-deps", "--no-recreate"}, deps...)...)...); err != nil {
			return err
		}
	}
	return e.cl.stream(ctx, out, e.compose(append([]string{"up", "-d", "--no-deps"}, services...)...)...)
}

// unpause lets the project's paused containers go on: compose leaves them as
// they are, and calls that up.
func (e *Engine) unpause(ctx context.Context) error {
	list, err := e.cl.list(ctx, "--filter", "status=paused", "--filter", "label="+labelProject+"="+e.o.Project)
	if err != nil {
		return err
	}
	for _, c := range list {
		if _, err := e.cl.output(ctx, "unpause", c.ID); err != nil && !noSuch(err) {
			return fmt.Errorf("unpause %s: %w", c.name(), err)
		}
	}
	return nil
}

// healthPatience is some intervals of an ordinary healthcheck.
const healthPatience = 90 * time.Second

// notUnhealthy waits for the next healthcheck of a PostgreSQL that answers
// again, after a pause or a busy hour: compose gives up at once where a
// dependency is unhealthy, whatever the next check will say. One that does not
// answer is compose's to refuse.
func (e *Engine) notUnhealthy(ctx context.Context) error {
	if e.o.Service == "" {
		return nil
	}
	for end, told := time.Now().Add(healthPatience), false; time.Now().Before(end); {
		c, err := e.ofService(ctx, e.o.Service)
		if err != nil || c == nil || !c.State.Running || c.State.Health == nil || c.State.Health.Status != "unhealthy" {
			return err
		}
		if !told {
			if !e.ready(ctx, c) {
				return ctx.Err()
			}
			told = true
			e.notify("PostgreSQL accepts connections; waiting until its healthcheck has seen that")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
	return nil
}

// dependencies are the services that others need, transitively, without those
// themselves and without PostgreSQL, which is started by Start alone.
func (e *Engine) dependencies(ctx context.Context, services []string) ([]string, error) {
	out, err := e.Config(ctx)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Services map[string]struct {
			DependsOn map[string]any `json:"depends_on"`
		}
	}
	if err := json.Unmarshal(out, &doc); err != nil {
		return nil, fmt.Errorf("docker compose config: %w", err)
	}
	seen := map[string]bool{e.o.Service: true}
	queue := slices.Clone(services)
	for _, s := range services {
		seen[s] = true
	}
	var deps []string
	for len(queue) > 0 {
		var next []string
		for d := range doc.Services[queue[0]].DependsOn {
			if !seen[d] {
				seen[d] = true
				next = append(next, d)
			}
		}
		queue = append(queue[1:], next...)
		deps = append(deps, next...)
	}
	slices.Sort(deps)
	return deps, nil
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

// RemoveVolume removes a volume object that binds another directory than the
// wanted one, so that compose makes it anew: compose itself would go on with
// the old directory and only warn. A volume of Docker's own holds data and is
// never removed.
func (e *Engine) RemoveVolume(ctx context.Context, volume, wantDevice string) error {
	name := e.o.Project + "_" + volume
	vs, err := e.cl.volumes(ctx, name)
	if err != nil || len(vs) == 0 {
		return err
	}
	device := vs[0].device()
	if device == "" || device == wantDevice {
		return nil
	}
	if a, b := newPlace(device), newPlace(wantDevice); wantDevice != "" && relate(a, b) == within && relate(b, a) == within {
		return nil
	}
	users, err := e.cl.list(ctx, "-a", "--filter", "volume="+name)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		var names []string
		for _, c := range users {
			names = append(names, c.name())
		}
		return fmt.Errorf("the volume %s still points to %s, and %s uses it. Remove the container (its data stay): docker rm -f %s",
			name, device, strings.Join(names, ", "), strings.Join(names, " "))
	}
	if _, err := e.cl.output(ctx, "volume", "rm", name); err != nil && !noSuch(err) {
		return fmt.Errorf("remove the volume object %s (the directory %s stays): %w", name, device, err)
	}
	return nil
}

// Container is what a service's container does, the zero value where there is
// none.
func (e *Engine) Container(ctx context.Context, service string) (engine.Container, error) {
	c, err := e.ofService(ctx, service)
	if err != nil || c == nil {
		return engine.Container{}, err
	}
	return c.public(), nil
}

// Containers lists a compose project's containers in any state, of any
// working directory.
func (e *Engine) Containers(ctx context.Context, project string) ([]engine.Container, error) {
	list, err := e.cl.list(ctx, "-a", "--filter", "label="+labelProject+"="+project)
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
		Env: map[string]string{}, RestartCount: c.RestartCount, ConfigHash: c.Config.Labels[labelHash], OneOff: c.oneOff(),
	}
	if c.State.Health != nil && c.State.Health.Status != "none" {
		p.Health = c.State.Health.Status
	}
	for _, kv := range c.Config.Env {
		k, v, _ := strings.Cut(kv, "=")
		p.Env[k] = v
	}
	return p
}

// published are the ports as Docker has bound them, IPv4 first.
func (c container) published() []engine.Published {
	var out []engine.Published
	for name, bindings := range c.NetworkSettings.Ports {
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

// PortHolder names the container that publishes a port of this host.
func (e *Engine) PortHolder(ctx context.Context, port int) (string, error) {
	out, err := e.cl.output(ctx, "ps", "--filter", fmt.Sprintf("publish=%d/tcp", port), "--format", "{{.Names}}")
	if err != nil {
		return "", err
	}
	name, _, _ := strings.Cut(strings.TrimSpace(out), "\n")
	return name, nil
}

// RunOnce runs a one-off container of a service. When ctx ends the container
// is stopped, with Odoo's ten seconds to end its workers, and removed.
func (e *Engine) RunOnce(ctx context.Context, r engine.RunOnce) error {
	name := e.o.Project + "-once-" + token()
	args := []string{"run", "--rm", "-T", "--name", name}
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
	cmd.Cancel = func() error {
		end, cancel := detached(ctx, 30*time.Second)
		defer cancel()
		e.cl.output(end, "stop", "-t", "10", name)
		e.cl.output(end, "rm", "-f", "-v", name)
		return cmd.Process.Signal(syscall.SIGTERM)
	}
	cmd.WaitDelay = time.Minute
	err := cmd.Run()
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("one-off run of %s: %w", r.Service, ctx.Err())
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		program := r.Service
		if r.Entrypoint != "" {
			program = r.Entrypoint
		} else if len(r.Args) > 0 {
			program = r.Args[0]
		}
		return &engine.ExitError{Program: program, Code: exit.ExitCode(), Stderr: wording.LastLines(strings.TrimSpace(errs.String()), 10)}
	}
	return err
}
