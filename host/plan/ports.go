package plan

import (
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/world"
)

// portUse is a port that a run publishes.
type portUse struct {
	// key is what says the port: a key of .env, else the service in file, which no
	// key can change: an override, or a kept file.
	key, bind, file string
	port            int
}

// portUses are the ports that this goal publishes.
func (m *maker) portUses() []portUse {
	p := m.p
	var uses []portUse
	services := []string{p.ServiceName}
	if m.in.Kept != nil {
		// One that it does not publish is nobody's, whoever has it.
		if pg := m.in.Kept.Postgres; pg.Port != 0 {
			file := m.in.Rel(m.in.Kept.Files[0])
			uses = append(uses, portUse{key: "services." + pg.Service + " in " + file + ":", bind: pg.Bind, port: pg.Port, file: file})
		}
		return uses
	}
	if !p.External {
		uses = append(uses, portUse{key: "POSTGRES_PORT", bind: p.PostgresBind, port: p.PostgresPort})
	}
	if m.Want.Goal >= Odoo && m.w.Stack {
		bind := compose.OdooBind(*p)
		uses = append(uses, portUse{key: "ODOO_PORT", bind: bind, port: p.OdooPort}, portUse{key: "GEVENT_PORT", bind: bind, port: p.GeventPort})
		services = append(services, p.OdooServiceName)
	}
	if m.Want.Goal >= Odoo && m.w.OdooHere && len(p.OdooCommand) > 0 && !m.w.Process.Runs {
		here := m.in.Here()
		use := portUse{key: "ODOO_PORT", bind: here.Bind, port: here.HTTP}
		if here.Says == "ODOO_COMMAND" {
			use.key, use.file = "the port in ODOO_COMMAND,", "ODOO_COMMAND"
		}
		uses = append(uses, use)
	}
	if m.in.Merged == nil || !m.w.Stack {
		return uses
	}
	// With an override those that are left of them, and its own.
	said := map[int]portUse{}
	for _, u := range uses {
		said[u.port] = u
	}
	uses = nil
	for _, service := range services {
		if m.unpublished(service) {
			continue
		}
		for _, c := range m.in.Merged.Services[service].Ports {
			n, err := strconv.Atoi(c.Published)
			if err != nil || n == 0 || c.Protocol != "" && c.Protocol != "tcp" {
				continue // a free one of Docker's choice, or a range
			}
			u, ok := said[n]
			if !ok {
				u = portUse{key: "services." + service + ".ports in the override:", port: n, file: m.in.Rel(m.in.ComposeFiles[1])}
			}
			u.bind = c.HostIP
			uses = append(uses, u)
		}
	}
	return uses
}

// listens: .env and odoo.conf may name two ports for an Odoo without a container.
func (m *maker) listens() {
	if !m.w.OdooHere || len(m.p.OdooCommand) == 0 {
		return
	}
	if h := m.in.Here(); h.Says == "ODOO_PORT" && h.Conf != 0 && h.Conf != h.HTTP {
		m.Warnings = append(m.Warnings, fmt.Sprintf("%s has http_port = %d, but ODOO_PORT is %d: without Docker odpm gives Odoo the port of .env. Take one of the two out",
			m.in.Rel(m.p.OdooConfPath), h.Conf, h.HTTP))
	}
}

// unpublished: Docker publishes no port of a container whose networks are all internal.
func (m *maker) unpublished(service string) bool {
	networks := m.in.Merged.Services[service].Networks
	for key := range networks {
		if !m.in.Merged.Networks[key].Internal {
			return false
		}
	}
	return len(networks) > 0
}

// ports: a port that somebody else has is reported before half of the stack is
// stopped or started.
func (m *maker) ports() error {
	if !m.starting() || m.p.External && !m.w.Stack && !m.w.OdooHere {
		return nil
	}
	r := &ui.Refusal{Code: codes.PortTaken, What: "A port that this project publishes is already in use. " + m.untouched()}
	for _, u := range m.portUses() {
		if m.hasPort(u.port) {
			continue
		}
		q := world.PortQuestion{Bind: u.bind, Port: u.port}
		a, known := m.w.Ports[q]
		if !known {
			m.Questions.Ports = append(m.Questions.Ports, q)
			continue
		}
		if a.Free || m.ownContainer(a.Container) {
			continue
		}
		who := a.Owner
		if a.Container != "" {
			who = "container " + a.Container
		}
		r.Details = append(r.Details, fmt.Sprintf("%s %s is in use by %s", u.key, net.JoinHostPort(orAny(u.bind), strconv.Itoa(u.port)), ui.Clean(who)))
		if u.file != "" {
			r.Ways = append(r.Ways, fmt.Sprintf("%d instead of %d in %s        a port that is free now", a.Next, u.port, u.file))
			continue
		}
		r.Ways = append(r.Ways, fmt.Sprintf("%s=%d in .env        a port that is free now", u.key, a.Next))
	}
	if len(r.Details) == 0 {
		return nil
	}
	r.Ways = append(r.Ways, "or stop the program that holds it")
	return r
}

// hasPort: this project's own servers and containers have it, old names
// included.
func (m *maker) hasPort(port int) bool {
	if m.w.OldServer != nil && m.w.OldServer.Port == port {
		return true
	}
	if m.w.Kind == engines.Native && m.w.Status.Running {
		if _, at, err := net.SplitHostPort(m.w.Addr); err == nil && at == strconv.Itoa(port) || m.w.Addr == "" {
			return true
		}
		return m.w.Snapshot != nil && m.w.Snapshot.Compose.HostPort == port
	}
	for _, c := range slices.Concat(m.w.Containers, m.w.Last) {
		if c.Here && c.HostNetwork && c.Running && c.Service == m.p.ServiceName && port == m.p.PostgresPort {
			return true // this machine's own port, which no engine publishes
		}
		if c.Here && slices.ContainsFunc(c.Published, func(p engine.Published) bool { return p.HostPort == port }) {
			return true
		}
	}
	return false
}

// ownContainer tells whether a container is this project's, old names included.
func (m *maker) ownContainer(name string) bool {
	if name == "" {
		return false
	}
	return slices.ContainsFunc(slices.Concat(m.w.Containers, m.w.Last), func(c container) bool { return c.Here && c.Name == name }) ||
		slices.ContainsFunc(m.w.Holders, func(h holder) bool { return h.Name == name && (h.Own || m.w.OldService(h, m.p)) })
}

func orAny(bind string) string {
	if bind == "" {
		return "0.0.0.0"
	}
	return bind
}
