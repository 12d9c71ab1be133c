package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/wording"
)

// Compose's labels on what it makes.
const (
	labelProject = "com.docker.compose.project"
	labelService = "com.docker.compose.service"
	labelDir     = "com.docker.compose.project.working_dir"
	labelOneOff  = "com.docker.compose.oneoff"
	labelHash    = "com.docker.compose.config-hash"
)

// labelSwarm is Swarm's on a service's containers.
const labelSwarm = "com.docker.swarm.service.name"

// container is the part of `docker inspect` that is used here.
type container struct {
	ID      string `json:"Id"`
	Name    string
	Image   string
	Created string
	State   struct {
		Status     string
		Running    bool
		Restarting bool
		Paused     bool
		ExitCode   int
		Pid        int
		Error      string
		StartedAt  string
		Health     *struct{ Status string }
	}
	RestartCount int
	Path         string
	Args         []string
	Config       struct {
		User       string
		Env        []string
		Image      string
		Labels     map[string]string
		StopSignal string
	}
	HostConfig struct {
		NetworkMode  string
		PortBindings map[string][]portBinding
	}
	NetworkSettings struct {
		Ports    map[string][]portBinding
		Networks map[string]struct {
			Aliases           []string
			IPAddress         string
			GlobalIPv6Address string
		}
	}
	Mounts []mount
}

type portBinding struct{ HostIp, HostPort string }

type mount struct {
	Type        string
	Name        string
	Source      string
	Destination string
	Driver      string
	RW          bool
}

func (c container) name() string    { return strings.TrimPrefix(c.Name, "/") }
func (c container) project() string { return c.Config.Labels[labelProject] }
func (c container) service() string { return c.Config.Labels[labelService] }
func (c container) oneOff() bool    { return strings.EqualFold(c.Config.Labels[labelOneOff], "true") }

// ran: the container's program was started. One whose start failed has an exit
// code too.
func (c container) ran() bool {
	return c.State.StartedAt != "" && !strings.HasPrefix(c.State.StartedAt, "0001-")
}

// short is the id as docker itself prints it.
func (c container) short() string {
	if len(c.ID) > 12 {
		return c.ID[:12]
	}
	return c.ID
}

func (c container) env(key string) string {
	for _, kv := range c.Config.Env {
		if k, v, _ := strings.Cut(kv, "="); k == key {
			return v
		}
	}
	return ""
}

// environ is all of its environment.
func (c container) environ() map[string]string { return environment(c.Config.Env) }

func environment(list []string) map[string]string {
	all := map[string]string{}
	for _, kv := range list {
		k, v, _ := strings.Cut(kv, "=")
		all[k] = v
	}
	return all
}

// osUser is who PostgreSQL runs as inside: the official image starts as root
// and becomes postgres; a compose file with user: starts as that user.
func (c container) osUser() string {
	if !engine.IsRoot(c.Config.User) {
		return c.Config.User
	}
	return "postgres"
}

func (c container) port() int {
	if n, err := strconv.Atoi(c.env("PGPORT")); err == nil && n > 0 {
		return n
	}
	return 5432
}

// running lists containers that are live by docker ps' filters,
// "label=a=b", inspected; all lists those in any state.
func (c client) running(ctx context.Context, filters ...string) ([]container, error) {
	return c.list(ctx, false, filters)
}

func (c client) all(ctx context.Context, filters ...string) ([]container, error) {
	return c.list(ctx, true, filters)
}

// live tells whether what runs in a container writes, or will without anybody
// starting it: paused and restarting ones count. A state that nobody here has
// heard of does as well.
func live(state string) bool {
	switch state {
	// The second line has Podman's own words.
	case "created", "exited", "dead", "removing",
		"configured", "initialized", "stopped":
		return false
	}
	return true
}

// memo keeps what one look was told.
type memo struct {
	mu    sync.Mutex
	lists map[string][]container
	by    map[string]container
}

func (c client) list(ctx context.Context, all bool, filters []string) ([]container, error) {
	by := map[string][]string{}
	for _, f := range filters {
		key, value, _ := strings.Cut(f, "=")
		by[key] = append(by[key], value)
	}
	text, err := json.Marshal(by)
	if err != nil {
		return nil, err
	}
	key := strconv.FormatBool(all) + string(text)
	if c.memo != nil {
		c.memo.mu.Lock()
		known, ok := c.memo.lists[key]
		c.memo.mu.Unlock()
		if ok {
			return slices.Clone(known), nil
		}
	}
	found, err := c.listed(ctx, string(text))
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, f := range found {
		if all || live(f.State) {
			ids = append(ids, f.ID)
		}
	}
	list, err := c.inspect(ctx, ids...)
	if err == nil && c.memo != nil {
		c.memo.mu.Lock()
		c.memo.lists[key] = slices.Clone(list)
		c.memo.mu.Unlock()
	}
	return list, err
}

// listing is what the list itself says of a container.
type listing struct {
	ID     string `json:"Id"`
	State  string
	Mounts []mount
}

func (c client) listed(ctx context.Context, filters string) ([]listing, error) {
	var found []listing
	// Podman's list leaves paused containers out unless it is asked for all, and
	// a server in one goes on when somebody lets it.
	return found, c.api.get(ctx, "ps", "/containers/json", url.Values{"all": {"1"}, "filters": {filters}}, &found)
}

// inspect leaves out what is not there any more.
func (c client) inspect(ctx context.Context, ids ...string) ([]container, error) {
	var list []container
	for _, id := range ids {
		ct, ok := c.memo.container(id)
		if !ok {
			err := c.api.get(ctx, "container inspect", "/containers/"+id+"/json", nil, &ct)
			if noSuch(err) {
				continue
			}
			if err != nil {
				return nil, err
			}
			// Podman calls a paused container one that does not run.
			ct.State.Running = ct.State.Running || ct.State.Paused
			c.memo.keep(ct)
		}
		list = append(list, ct)
	}
	return list, nil
}

func (m *memo) container(id string) (container, bool) {
	if m == nil {
		return container{}, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.by[id]
	return c, ok
}

func (m *memo) keep(c container) {
	if m != nil {
		m.mu.Lock()
		m.by[c.ID] = c
		m.mu.Unlock()
	}
}

// ofService finds a service's container in any state, by labels and not by
// the compose file: the file may not name the service any more, or be broken.
// Of several the running one counts, then the newest.
func (e *Reader) ofService(ctx context.Context, service string) (*container, error) {
	list, err := e.allOfService(ctx, service)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

func (e *Reader) allOfService(ctx context.Context, service string) ([]container, error) {
	if service == "" {
		return nil, errors.New("docker: no compose service is named")
	}
	list, err := e.cl.all(ctx, "label="+labelProject+"="+e.o.Project, "label="+labelService+"="+service)
	if err != nil {
		return nil, err
	}
	var keep []container
	for _, c := range list {
		if !c.oneOff() {
			keep = append(keep, c)
		}
	}
	sort.SliceStable(keep, func(i, j int) bool {
		if keep[i].State.Running != keep[j].State.Running {
			return keep[i].State.Running
		}
		return keep[i].Created > keep[j].Created
	})
	return keep, nil
}

// running is PostgreSQL's container, which must run.
func (e *Reader) running(ctx context.Context) (*container, error) {
	c, err := e.ofService(ctx, e.o.Service)
	if err != nil {
		return nil, err
	}
	if c == nil || !c.State.Running {
		return nil, fmt.Errorf("PostgreSQL (service %s of project %s) is not running; start it: odpm", e.o.Service, e.o.Project)
	}
	return c, nil
}

// Status asks docker for the container and PostgreSQL, over TCP inside the
// container, whether it accepts connections.
func (e *Reader) Status(ctx context.Context) (engine.Status, error) {
	c, err := e.ofService(ctx, e.o.Service)
	if err != nil || c == nil {
		return engine.Status{}, err
	}
	s := engine.Status{Exists: true, ID: c.short(), Running: c.State.Running && !c.State.Restarting}
	if s.Running && !c.State.Paused {
		s.Ready = e.ready(ctx, c)
	}
	return s, nil
}

// ready asks inside the container where what is published says nothing.
func (e *Reader) ready(ctx context.Context, c *container) bool {
	if addr := c.hostAddr(); addr != "" && accepts(ctx, addr) {
		return true
	}
	_, err := e.cl.output(ctx, "exec", "--user", c.osUser(), c.ID, "sh", "-c", serverPlace+isReady)
	return err == nil
}

// HostAddr is what Docker publishes of PostgreSQL's port.
func (e *Reader) HostAddr(ctx context.Context) (string, error) {
	c, err := e.running(ctx)
	if err != nil {
		return "", err
	}
	if c.HostConfig.NetworkMode == "host" {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port())), nil
	}
	return c.hostAddr(), nil
}

// hostAddr is where this machine reaches the container's PostgreSQL, "" where
// nothing is published.
func (c container) hostAddr() string {
	best := ""
	for _, b := range c.NetworkSettings.Ports[strconv.Itoa(c.port())+"/tcp"] {
		host := b.HostIp
		switch host {
		case "", "0.0.0.0":
			host = "127.0.0.1"
		case "::":
			host = "::1"
		}
		// IPv4 first: the same port is often published on both.
		if addr := net.JoinHostPort(host, b.HostPort); best == "" || strings.HasPrefix(best, "[") {
			best = addr
		}
	}
	return best
}

// Logs gives what the server wrote, both streams in order.
func (e *Reader) Logs(ctx context.Context, n int) (string, error) {
	return e.ServiceLogs(ctx, e.o.Service, n)
}

// ServiceLogs gives the last lines of any of the project's services.
func (e *Reader) ServiceLogs(ctx context.Context, service string, n int) (string, error) {
	c, err := e.ofService(ctx, service)
	if err != nil || c == nil {
		return "", err
	}
	return e.logs(ctx, c.ID, n)
}

func (e *Reader) logs(ctx context.Context, id string, n int) (string, error) {
	// A container that writes faster than it is read has no last line.
	limited, cancel := context.WithTimeout(ctx, e.cl.answer)
	defer cancel()
	cmd := e.cl.command(limited, "logs", "--tail", strconv.Itoa(n), id)
	out := &wording.Tail{Max: 1 << 20}
	// One writer for both streams keeps their order.
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil && (limited.Err() == nil || ctx.Err() != nil) {
		return "", failure(ctx, []string{"logs"}, err, out.String())
	}
	return wording.LastLines(out.String(), n), nil
}
