package inputs

import (
	"context"
	"slices"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/compose/foreign"
)

// readImages lists what a start would pull, so that a run can do it before it stops or
// writes anything. Where compose does not accept the files it says so itself.
func (in *Inputs) readImages(ctx context.Context) {
	p, doc := in.Project, in.Merged
	if in.Kept != nil {
		doc = in.Kept.Doc
	}
	if doc == nil && len(p.Services) > 0 {
		if text, err := compose.Build(compose.Spec{Project: *p, OdooImage: imageWithChecker}); err == nil {
			doc, _ = compose.Merge(ctx, p.Dir, in.ComposePath(), text, nil, p.Env)
		}
	}
	if doc == nil {
		if !p.External {
			in.Images = []string{in.PostgresImage}
		}
		return
	}
	for service, image := range foreign.Started(doc) {
		if image != "" && service != p.OdooServiceName && image != p.OdooImage && image != imageWithChecker && !slices.Contains(in.Images, image) {
			in.Images = append(in.Images, image)
		}
	}
	slices.Sort(in.Images)
}
