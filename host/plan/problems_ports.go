package plan

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/ports"
	"github.com/odpm/odpm/host/ui"
)

type portUse struct {
	// key is what says the port: a key of .env, else the service in the
	// override, which no key can change.
	key, bind string
	port      int
	ours      bool
	override  bool
}

// portUses are the ports that a run publishes.
func (s *Session) portUses() []portUse {
	p := s.Project
	var uses []portUse
	if !p.External {
		uses = append(uses, portUse{key: "POSTGRES_PORT", bind: p.PostgresBind, port: p.PostgresPort, ours: s.status.Running && s.publishedAsLast(p.PostgresPort)})
	}
	if s.Stack != nil && !p.KeepCompose {
		bind := compose.OdooBind(*p)
		uses = append(uses, portUse{key: "ODOO_PORT", bind: bind, port: p.OdooPort}, portUse{key: "GEVENT_PORT", bind: bind, port: p.GeventPort})
	}
	if s.merged == nil || s.Stack == nil {
		return uses
	}
	// With an override those that are left of them, and its own.
	said := map[int]portUse{}
	for _, u := range uses {
		said[u.port] = u
	}
	uses = nil
	for _, service := range []string{p.ServiceName, p.OdooServiceName} {
		for _, c := range s.merged.Services[service].Ports {
			n, err := strconv.Atoi(c.Published)
			if err != nil || n == 0 || c.Protocol != "" && c.Protocol != "tcp" {
				continue // a free one of Docker's choice, or a range
			}
			u, ok := said[n]
			if !ok {
				u = portUse{key: "services." + service + ".ports in the override:", port: n, override: true}
			}
			// Whether it is the running container's own, Docker says.
			u.bind, u.ours = c.HostIP, false
			uses = append(uses, u)
		}
	}
	return uses
}

// portProblems tries each port on this machine before compose does: its own
// error comes after half of the stack was started, and names nobody.
func (s *Session) portProblems(ctx context.Context) error {
	if s.SkipStart || s.Project.External && s.Stack == nil {
		return nil
	}
	p := s.Project
	uses := s.portUses()
	r := &ui.Refusal{What: "A port that this project publishes is taken. Nothing was written or started."}
	// Two keys must not be given the same way out, nor another key's port.
	given := []int{p.PostgresPort, p.OdooPort, p.GeventPort}
	for _, u := range uses {
		if u.ours || ports.Free(u.bind, u.port) {
			continue
		}
		who := ""
		if s.Stack != nil {
			name, err := s.Stack.PortHolder(ctx, u.port)
			if err != nil {
				return err
			}
			if s.ownContainer(name) {
				continue
			}
			if name != "" {
				who = "container " + name
			}
		}
		if who == "" {
			who = ports.Owner(u.port)
		}
		if s.oldNativePort(u.port) {
			continue
		}
		r.Details = append(r.Details, fmt.Sprintf("%s %s is held by %s", u.key, net.JoinHostPort(orAny(u.bind), strconv.Itoa(u.port)), ui.Clean(who)))
		free := ports.NextFree(u.bind, u.port, given...)
		given = append(given, free)
		if u.override {
			r.Ways = append(r.Ways, fmt.Sprintf("%d instead of %d in %s        a port that is free now", free, u.port, s.Rel(s.composeFiles()[1])))
			continue
		}
		r.Ways = append(r.Ways, fmt.Sprintf("%s=%d in .env        a port that is free now", u.key, free))
	}
	if len(r.Details) == 0 {
		return nil
	}
	r.Ways = append(r.Ways, "or stop who holds it")
	return r
}

// publishedAsLast: the running server has the wanted port already.
func (s *Session) publishedAsLast(port int) bool {
	if s.Snapshot != nil && s.Snapshot.Compose.HostPort == port {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	addr, err := s.PG.HostAddr(ctx)
	if err != nil {
		return false
	}
	_, at, _ := net.SplitHostPort(addr)
	return at == strconv.Itoa(port)
}

// oldNativePort: the port is held by the server of the last run's directory,
// which a step of the plan stops.
func (s *Session) oldNativePort(port int) bool {
	return s.oldNative() != nil && s.Snapshot.Compose.HostPort == port
}

// ownContainer tells whether a container is this project's, old names included.
func (s *Session) ownContainer(name string) bool {
	if name == "" {
		return false
	}
	if name == s.odoo.Name {
		return true
	}
	for _, h := range s.holders {
		if h.Name == name && (h.Own || s.oldService(h)) {
			return true
		}
	}
	if slices.ContainsFunc(s.oldOthers, func(c engine.Container) bool { return c.Name == name }) {
		return true
	}
	return s.oldOdoo != "" && s.oldOdoo == name
}

func orAny(bind string) string {
	if bind == "" {
		return "0.0.0.0"
	}
	return bind
}
