package plan

import (
	"cmp"
	"path"
	"path/filepath"

	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/desired"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/world"
)

// accessOf asks about what is there: what a run makes itself it makes for that
// user.
func accessOf(in *inputs.Inputs, w *world.World, d *desired.Desired, image string) world.AccessQuestion {
	q := world.AccessQuestion{Image: image, User: cmp.Or(in.OdooUser, d.Spec.User)}
	add := func(there bool, path string, write bool) {
		if there {
			q.Paths = append(q.Paths, engine.Access{Path: path, Write: write})
		}
	}
	data, conf := true, true
	if in.Kept != nil {
		// What their file mounts. A person's .odpm/database is given by its group.
		data, conf = in.Kept.Odoo.DataDir != "", in.Kept.Odoo.ConfPath == in.Project.OdooConfPath
	}
	add(!desired.Missing(w, in.Dirs.Database()) && !givesDatabase(in, w, d) && (in.Kept == nil || w.UID == 0), in.Dirs.Database(), true)
	add(data && !desired.Missing(w, in.Project.OdooDataDir), in.Project.OdooDataDir, true)
	for _, dir := range w.Files.OdooDirs {
		if in.Project.FilestoreDir == "" || filepath.Base(dir) != "filestore" {
			// Where the override mounts something there, it is a mount point alone.
			add(data && !in.OdooMounts(path.Join(compose.OdooDataTarget, filepath.Base(dir))), dir, true)
		}
	}
	for _, dir := range in.Filestores(false).Named() {
		add(!desired.Missing(w, dir), dir, true)
	}
	add(conf && w.Files.Conf != nil, in.Project.OdooConfPath, false)
	add(w.Files.Handoff != nil, world.HandoffPath(in.Dirs), false)
	return q
}

func accessRefusal(a world.Access, outcome string) *ui.Refusal {
	return &ui.Refusal{Code: codes.OdooAccess, What: "Odoo runs as uid:gid " + a.Who + ", which cannot use what is mounted for it. " + outcome, Details: a.Problems}
}

// Access is the question for a one-off Odoo, and Refuse what its answer means.
func Access(in *inputs.Inputs, w *world.World, d *desired.Desired) world.AccessQuestion {
	return accessOf(in, w, d, d.Image.Ref)
}

// AccessRefusal is nil where nothing is in the way.
func AccessRefusal(a world.Access, outcome string) error {
	if len(a.Problems) == 0 {
		return nil
	}
	return accessRefusal(a, outcome)
}
