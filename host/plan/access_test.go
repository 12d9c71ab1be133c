package plan

import (
	"slices"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

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

// A mount of the override's lies over the directory below, which is a mount point that
// Docker made as root.
func TestAccessBelowAMount(t *testing.T) {
	in := &inputs.Inputs{Project: &project.Project{Dir: "/p", OdooDataDir: "/p/data/odoo", OdooServiceName: "web"}}
	var web types.ServiceConfig
	web.Volumes = []types.ServiceVolumeConfig{{Target: "/var/lib/odoo/sessions/"}}
	in.Merged = &types.Project{Services: types.Services{"web": web}}
	w := &world.World{Files: world.Files{OdooDirs: []string{"/p/data/odoo/filestore", "/p/data/odoo/sessions"}}}
	q := Access(in, w, &desired.Desired{})
	if slices.Contains(q.Paths, engine.Access{Path: "/p/data/odoo/sessions", Write: true}) || !slices.Contains(q.Paths, engine.Access{Path: "/p/data/odoo/filestore", Write: true}) {
		t.Errorf("%v", q.Paths)
	}
}

// A person's file gives Odoo another user than its image: that one's access counts,
// and .odpm/database becomes that one's.
func TestAccessOfTheOverridesUser(t *testing.T) {
	in := &inputs.Inputs{Project: &project.Project{Dir: "/p", OdooDataDir: "/p/data/odoo"}, OdooUser: "root"}
	w := &world.World{Stack: true, OdooImage: &engine.Image{User: "101"}, Files: world.Files{DatabaseOfRoot: true}}
	if q := Access(in, w, &desired.Desired{}); q.User != "root" {
		t.Errorf("asked for %q, and the container runs as root", q.User)
	}
	if givesDatabase(in, w, &desired.Desired{}) {
		t.Error("root is given what is root's")
	}
	in.OdooUser = "1001"
	d := &desired.Desired{}
	d.Spec.User = "1000:1000"
	if q := Access(in, w, d); q.User != "1001" || !givesDatabase(in, w, d) {
		t.Errorf("asked for %q, .odpm/database is given: %v", q.User, givesDatabase(in, w, d))
	}
}
