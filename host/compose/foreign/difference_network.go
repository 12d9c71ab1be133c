package foreign

import (
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/yamlnode"
	"github.com/odpm/odpm/shared/shell"
)

// networks: what compose would make anyway is on neither side.
func (d *differ) networks(s, _ types.ServiceConfig, _, _ any) {
	if len(s.Networks) == 1 && s.Networks["default"] == nil {
		if _, only := s.Networks["default"]; only {
			return // shared looks at what the network itself is
		}
	}
	d.whole(s.Name, d.own(s), "networks")
	d.refer("networks", slices.Sorted(maps.Keys(s.Networks))...)
}

func (d *differ) networkMode(s, _ types.ServiceConfig, _, _ any) {
	if s.NetworkMode == "host" {
		how := "in odoo.conf db_host is then " + d.p.ServiceName + " and db_port 5432"
		if d.p.External {
			how = "a server on this machine is then " + compose.HostGateway + " in odoo.conf's db_host, and it has to listen on that address (listen_addresses, pg_hba.conf)"
		}
		d.otherwise(s.Name, "network_mode", "Odoo and PostgreSQL's container get a network of their own, and their ports are published; "+how)
		return
	}
	if strings.HasPrefix(s.NetworkMode, "service:") || strings.HasPrefix(s.NetworkMode, "container:") {
		// Docker refuses to publish ports of such a container.
		d.problem(Problem{Code: "network_mode", Blocking: true, Message: fmt.Sprintf("service %s uses the network of another container (network_mode: %s), which publishes its ports; odpm's own file publishes them itself", s.Name, s.NetworkMode),
			Way: "odpm adopt --keep " + shell.Quote(filepath.Base(d.Files[0])) + "        keeps the file as it is"})
		return
	}
	d.whole(s.Name, d.own(s), "network_mode")
}

// dependsOn: odpm's Odoo waits for PostgreSQL's health already.
func (d *differ) dependsOn(s, o types.ServiceConfig, _, _ any) {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, name := range slices.Sorted(maps.Keys(s.DependsOn)) {
		dep := s.DependsOn[name]
		dep.Restart = dep.Restart && !linked(s, name)
		item := &yaml.Node{Kind: yaml.MappingNode}
		if d.isOdoo(s) && name == d.PostgresService() && dep.Restart && !d.p.External && !o.DependsOn[d.p.ServiceName].Restart {
			yamlnode.Set(item, "condition", scalar(types.ServiceConditionHealthy))
			yamlnode.Set(item, "restart", yes())
			yamlnode.Set(n, d.p.ServiceName, item)
			continue
		}
		if name == d.PostgresService() || name == d.OdooService() {
			continue
		}
		if _, ok := o.DependsOn[name]; ok {
			continue
		}
		yamlnode.Set(item, "condition", scalar(firstOf(dep.Condition, types.ServiceConditionStarted)))
		if !dep.Required {
			yamlnode.Set(item, "required", &yaml.Node{Kind: yaml.ScalarNode, Value: "false"})
		}
		if dep.Restart {
			yamlnode.Set(item, "restart", yes())
		}
		yamlnode.Set(n, name, item)
	}
	if len(n.Content) > 0 {
		d.out.set(d.own(s), "depends_on", n)
		d.carried("services." + d.own(s) + ".depends_on")
	}
}

// linked: the dependency is compose's own, made of links, which are carried over as such.
func linked(s types.ServiceConfig, name string) bool {
	return slices.ContainsFunc(s.Links, func(link string) bool {
		service, _, _ := strings.Cut(link, ":")
		return service == name
	})
}

func yes() *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"} }

// ports: what is published beside odpm's own ports.
func (d *differ) ports(s, o types.ServiceConfig, _, _ any) {
	n := &yaml.Node{Kind: yaml.SequenceNode}
	http, gevent := d.spec.OdooPorts()
	for _, p := range s.Ports {
		if d.isOdoo(s) && (p.Published == "" || strings.Contains(p.Published, "-")) && (int(p.Target) == http || int(p.Target) == gevent) {
			key := map[int]string{http: "ODOO_PORT", gevent: "GEVENT_PORT"}[int(p.Target)]
			d.otherwise(s.Name, "ports", fmt.Sprintf("%d was published on a random port; now it is %s on ODOO_BIND (%d and 127.0.0.1 unless set)", p.Target, key, p.Target))
			continue
		}
		if !d.isOdoo(s) && int(p.Target) == d.Postgres.ContainerPort {
			if p.Published == "" || strings.Contains(p.Published, "-") {
				continue
			}
			p.Target = compose.PostgresPort
		}
		if slices.ContainsFunc(o.Ports, func(q types.ServicePortConfig) bool {
			return q.Target == p.Target && q.Published == p.Published && firstOf(q.Protocol, "tcp") == firstOf(p.Protocol, "tcp")
		}) {
			continue
		}
		n.Content = append(n.Content, quoted(shortPort(p)))
	}
	published := func(port int) bool {
		return slices.ContainsFunc(s.Ports, func(p types.ServicePortConfig) bool { return int(p.Target) == port })
	}
	if bind := net.ParseIP(compose.OdooBind(d.p)); d.isOdoo(s) && published(http) && !published(gevent) && !(bind != nil && bind.IsLoopback()) {
		d.otherwise(s.Name, "ports", fmt.Sprintf("%d, where Odoo answers /websocket when it has workers, is published too: GEVENT_PORT=%d, on ODOO_BIND as %d is. For this machine alone: ODOO_BIND=127.0.0.1 in .env", gevent, d.p.GeventPort, http))
	}
	if len(n.Content) > 0 {
		d.out.add(d.own(s), "ports", n.Content...)
		d.carried("services." + d.own(s) + ".ports")
	}
}

func shortPort(p types.ServicePortConfig) string {
	text := fmt.Sprint(p.Target)
	if p.Published != "" {
		text = p.Published + ":" + text
	}
	if ip := p.HostIP; ip != "" {
		if strings.Contains(ip, ":") && !strings.HasPrefix(ip, "[") {
			ip = "[" + ip + "]"
		}
		text = ip + ":" + text
	}
	if p.Protocol != "" && p.Protocol != "tcp" {
		text += "/" + p.Protocol
	}
	return text
}
