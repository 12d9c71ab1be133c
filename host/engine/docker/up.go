package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// Up makes services run as the compose file says, all of them where none is
// named. Other services that they depend on are started where they do not run,
// and left alone where they do.
func (e *Engine) Up(ctx context.Context, out io.Writer, services ...string) error {
	e.sweep(ctx, labelLook, "created", lookedLong)
	e.sweep(ctx, labelOnce, "exited", lookedLong)
	if err := e.unpause(ctx); err != nil {
		return err
	}
	if err := e.notUnhealthy(ctx); err != nil {
		return err
	}
	if len(services) == 0 {
		others, err := e.aheadOfHealth(ctx, out)
		if err != nil || others != nil && len(others) == 0 {
			return err
		}
		services = others
	}
	if len(services) == 0 {
		return e.cl.stream(ctx, out, e.compose("up", "-d", "--no-deps")...)
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
func (e *Reader) unpause(ctx context.Context) error {
	list, err := e.cl.running(ctx, "status=paused", "label="+labelProject+"="+e.o.Project)
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
func (e *Reader) notUnhealthy(ctx context.Context) error {
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
			e.notify("PostgreSQL accepts connections; waiting for its healthcheck to notice")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
	return nil
}

// aheadOfHealth gives the services that can go on although PostgreSQL's
// healthcheck is still to come: it accepts connections, and compose would wait
// for the check's interval anyway. nil: there is nothing to be ahead of.
func (e *Reader) aheadOfHealth(ctx context.Context, out io.Writer) ([]string, error) {
	if e.o.Service == "" {
		return nil, nil
	}
	c, err := e.ofService(ctx, e.o.Service)
	if err != nil || c == nil || !c.State.Running || c.State.Health == nil || c.State.Health.Status != "starting" {
		return nil, err
	}
	services, err := e.services(ctx)
	if err != nil {
		return nil, err
	}
	if _, named := services[e.o.Service]; !named {
		return nil, nil
	}
	// The files may want another container than the one that runs.
	if err := e.cl.stream(ctx, out, e.compose("up", "-d", "--no-deps", e.o.Service)...); err != nil {
		return nil, err
	}
	if c, err = e.ofService(ctx, e.o.Service); err != nil || c == nil {
		return nil, err
	}
	if err := e.waitReady(ctx, c); err != nil {
		return nil, err
	}
	delete(services, e.o.Service)
	return slices.AppendSeq([]string{}, maps.Keys(services)), nil
}

// dependencies are the services that others need, transitively, without those
// themselves and without PostgreSQL, which is started by Start alone.
func (e *Reader) dependencies(ctx context.Context, services []string) ([]string, error) {
	all, err := e.services(ctx)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{e.o.Service: true}
	queue := slices.Clone(services)
	for _, s := range services {
		seen[s] = true
	}
	var deps []string
	for len(queue) > 0 {
		var next []string
		for d := range all[queue[0]].DependsOn {
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

type composeService struct {
	DependsOn map[string]any `json:"depends_on"`
}

// services are those that compose would start.
func (e *Reader) services(ctx context.Context) (map[string]composeService, error) {
	out, err := e.Config(ctx, nil)
	if err != nil {
		return nil, err
	}
	var doc struct{ Services map[string]composeService }
	if err := json.Unmarshal(out, &doc); err != nil {
		return nil, fmt.Errorf("docker compose config: %w", err)
	}
	return doc.Services, nil
}
