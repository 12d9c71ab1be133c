package world

import (
	"slices"

	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/project"
)

// OldService tells whether a holder is this project's own service as it was
// called at the last run, which a run stops.
func (w *World) OldService(h Holder, p *project.Project) bool {
	if h.Kind == "postmaster" {
		return w.Kind == engines.Native && w.Snapshot != nil && w.SameData && w.Snapshot.Compose.HostPort != p.PostgresPort
	}
	if !h.Here || w.Snapshot == nil || h.Service == "" {
		return false
	}
	was := w.Snapshot.Compose
	if was.ProjectName == "" {
		// Without a prefix the snapshot does not name the project: the working
		// directory does.
		return h.Service == was.ServiceName && h.Labelled
	}
	return h.Project == was.ProjectName && h.Service == was.ServiceName
}

// LastProject is the compose project of the last run.
func (w *World) LastProject(p *project.Project) string {
	if w.Snapshot == nil {
		return p.Name
	}
	if n := w.Snapshot.Compose.ProjectName; n != "" {
		return n
	}
	for _, h := range w.Holders {
		if w.OldService(h, p) && h.Project != "" {
			return h.Project
		}
	}
	return p.PlainName
}

// LastOdoo is the last run's Odoo service.
func (w *World) LastOdoo() string {
	if w.Snapshot != nil && w.Snapshot.Compose.OdooServiceName != "" {
		return w.Snapshot.Compose.OdooServiceName
	}
	return "odoo"
}

// Leftovers are the containers that still run as the last run called them:
// Odoo under another name, and everything else under another project name,
// which is made anew and would find its ports taken. PostgreSQL's own service
// is not among them.
func (w *World) Leftovers(p *project.Project) []Container {
	if w.Snapshot == nil || p.KeepCompose {
		return nil
	}
	name, service := w.LastProject(p), w.LastOdoo()
	if name == p.Name && service == p.OdooServiceName {
		return nil
	}
	all := w.Containers
	if name != p.Name {
		all = w.Last
	}
	var out []Container
	for _, c := range all {
		if !c.Running && !c.Paused || !c.Here || c.OneOff {
			continue
		}
		if c.Service == service || name != p.Name && c.Service != "" && c.Service != w.Snapshot.Compose.ServiceName {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b Container) int {
		// Odoo first: it uses the others.
		switch {
		case a.Service == service && b.Service != service:
			return -1
		case b.Service == service && a.Service != service:
			return 1
		}
		return 0
	})
	return out
}
