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
