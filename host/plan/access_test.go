package plan

import (
	"slices"
	"testing"

	"github.com/odpm/odpm/host/desired"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/world"
)

// Odoo writes below data_dir: a data/odoo that is its own, with a filestore of
// somebody else's, failed at the first attachment.
func TestAccessWhereOdooWrites(t *testing.T) {
	in := &inputs.Inputs{Project: &project.Project{Dir: "/p", OdooDataDir: "/p/data/odoo"}}
	w := &world.World{Files: world.Files{OdooDirs: []string{"/p/data/odoo/filestore", "/p/data/odoo/sessions"}}}
	q := Access(in, w, &desired.Desired{})
	for _, want := range []string{"/p/data/odoo", "/p/data/odoo/filestore", "/p/data/odoo/sessions"} {
		if !slices.Contains(q.Paths, engine.Access{Path: want, Write: true}) {
			t.Errorf("%s is not asked about: %v", want, q.Paths)
		}
	}
	in.Project.FilestoreDir = "/big/filestore"
	if q := Access(in, w, &desired.Desired{}); slices.Contains(q.Paths, engine.Access{Path: "/p/data/odoo/filestore", Write: true}) || !slices.Contains(q.Paths, engine.Access{Path: "/big/filestore", Write: true}) {
		t.Errorf("what is in the place of filestore is not asked about: %v", q.Paths)
	}
}
