package foreign

import (
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// ServiceOf is the service that a host name means in a container of from, as
// compose has the engine resolve it: a service's key, container_name and network
// aliases, the containers' default names, and from's own links. "" is none.
func ServiceOf(doc *types.Project, from, host string) string {
	if doc == nil || host == "" {
		return ""
	}
	if doc.Services[from].NetworkMode == "host" && (host == "localhost" || host == "127.0.0.1" || host == "::1") {
		// This machine: a server there, or one that publishes its port there. Which
		// one the port says.
		for _, name := range doc.ServiceNames() {
			if s := doc.Services[name]; name != from && s.NetworkMode == "host" && postgresScore(s) >= 3 {
				return name
			}
		}
	}
	if strings.HasPrefix(host, "/") {
		return socketOf(doc, from, host)
	}
	for _, link := range doc.Services[from].Links {
		if service, alias, ok := strings.Cut(link, ":"); ok && strings.EqualFold(alias, host) {
			return service
		}
	}
	for _, name := range doc.ServiceNames() {
		s := doc.Services[name]
		if strings.EqualFold(name, host) || s.ContainerName != "" && strings.EqualFold(s.ContainerName, host) ||
			strings.EqualFold(host, doc.Name+"-"+name+"-1") || strings.EqualFold(host, doc.Name+"_"+name+"_1") {
			return name
		}
		for _, n := range s.Networks {
			if n != nil && slices.ContainsFunc(n.Aliases, func(a string) bool { return strings.EqualFold(a, host) }) {
				return name
			}
		}
	}
	return ""
}

// socketOf is the PostgreSQL that has the same directory of sockets mounted as from has
// at a path, "" for none.
func socketOf(doc *types.Project, from, dir string) string {
	for _, v := range doc.Services[from].Volumes {
		if v.Source == "" || !below(dir, v.Target) {
			continue
		}
		for _, name := range doc.ServiceNames() {
			s := doc.Services[name]
			if name != from && postgresScore(s) >= leastScore && slices.ContainsFunc(s.Volumes, func(w types.ServiceVolumeConfig) bool { return w.Type == v.Type && w.Source == v.Source }) {
				return name
			}
		}
	}
	return ""
}

// Resolves tells whether a host name means a service of the file to Odoo.
func (f *File) Resolves(host string) bool {
	odoo := ""
	if f.Odoo != nil {
		odoo = f.Odoo.Service
	}
	return ServiceOf(f.Doc, odoo, host) != ""
}
