package setup

import (
	"context"
	"errors"
	"slices"

	"github.com/odpm/odpm/host/compose/foreign"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/project"
)

// unbuilt are the services whose image compose builds and that is not on this machine.
func unbuilt(ctx context.Context, f *foreign.File) []string {
	var out []string
	started := foreign.Started(f.Doc)
	for _, service := range f.Doc.ServiceNames() {
		_, ok := started[service]
		// odpm's own file starts these two whatever their profile.
		ok = ok || f.Postgres != nil && service == f.Postgres.Service || f.Odoo != nil && service == f.Odoo.Service
		if ok && f.Doc.Services[service].Build != nil && engines.ImageEnv(ctx, f.ImageOf(service)) == nil {
			out = append(out, service)
		}
	}
	return out
}

// imagesOf are the images that an undo must have again, by service.
func imagesOf(f *foreign.File) map[string]string {
	out := map[string]string{}
	for name, s := range f.Doc.Services {
		if s.Build == nil && s.Image != "" {
			out[name] = s.Image
		}
	}
	return out
}

// missing are the images of the new stack that are not on this machine, without those
// that are built. p is the project that takes the stack's place, nil where the file is
// kept.
func missing(ctx context.Context, f *foreign.File, p *project.Project, copies []engine.CopyData) []string {
	var all []string
	started := foreign.Started(f.Doc)
	for _, service := range f.Doc.ServiceNames() {
		if p != nil && (f.Postgres != nil && service == f.Postgres.Service || f.Odoo != nil && service == f.Odoo.Service) {
			continue // the project says from which image
		}
		all = append(all, started[service])
	}
	if p != nil {
		all = append(all, p.OdooImage)
		if !p.External {
			all = append(all, p.PostgresImage)
		}
	}
	for _, c := range copies {
		all = append(all, c.Image)
	}
	for service, s := range f.Doc.Services {
		if s.Build != nil {
			all = slices.DeleteFunc(all, func(image string) bool { return image == f.ImageOf(service) })
		}
	}
	stack := engines.Engine(ctx)
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(image string) bool {
		if image == "" || stack == nil {
			return true
		}
		_, err := stack.ImageConf(ctx, image)
		return !errors.Is(err, engine.ErrNoImage)
	})
}
