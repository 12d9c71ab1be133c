package foreign

import (
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
)

// OdooServices are the services of a kept file that run the same Odoo: the one
// that people open, and others of its image, such as one for the crons.
func (f *File) OdooServices() []string {
	main := f.Doc.Services[f.Odoo.Service]
	out := []string{f.Odoo.Service}
	for _, name := range f.Doc.ServiceNames() {
		s := f.Doc.Services[name]
		if name != f.Odoo.Service && slices.Contains(f.OdooCandidates, name) && f.imageOf(s) == f.imageOf(main) {
			out = append(out, name)
		}
	}
	return out
}

// Started are the services that docker compose up starts, with the image of each that
// is pulled: "" for one that compose builds, or never pulls.
func Started(doc *types.Project) map[string]string {
	out, built := map[string]string{}, map[string]bool{}
	for name, s := range doc.Services {
		if s.Build != nil {
			built[s.Image] = true
		}
		if !started(doc, s) || s.GetScale() == 0 {
			continue
		}
		out[name] = s.Image
		if s.Build != nil || s.PullPolicy == types.PullPolicyNever {
			out[name] = ""
		}
	}
	for name, image := range out {
		if built[image] {
			out[name] = "" // another service's build makes it
		}
	}
	return out
}

// imageOf is a service's image; one that is built without a name gets compose's.
func (f *File) imageOf(s types.ServiceConfig) string {
	if s.Image == "" && s.Build != nil {
		return f.Name + "-" + s.Name
	}
	return s.Image
}

// ImageOf is the image of a service.
func (f *File) ImageOf(service string) string { return f.imageOf(f.Doc.Services[service]) }

// OdooImage is the image of Odoo's service.
func (f *File) OdooImage() string { return f.ImageOf(f.Odoo.Service) }
