package setup

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/host/apply"
	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/world"
)

// accessible refuses a takeover after which Odoo could not use the directories of this
// machine that it has now: odpm's Odoo may run as somebody else. It is asked
// while their stack still runs; what is copied or written gets the right owner.
func accessible(ctx context.Context, a Adoption, t apply.Takeover, next proposal, owner string, theirs []types.ServiceVolumeConfig) error {
	stack, p := engines.Engine(ctx), next.project
	if stack == nil || engines.ImageEnv(ctx, p.OdooImage) == nil {
		return nil // the start asks, once the image is there
	}
	q := world.AccessQuestion{Image: p.OdooImage, User: cmp.Or(next.odooUser, owner)}
	add := func(path string, write bool) {
		for _, c := range t.Copies {
			if path == c.To || strings.HasPrefix(path, c.To+"/") {
				return
			}
		}
		for _, f := range t.Files {
			if path == f.Path {
				return
			}
		}
		if _, err := os.Stat(path); err == nil && !slices.ContainsFunc(q.Paths, func(x engine.Access) bool { return x.Path == path }) {
			q.Paths = append(q.Paths, engine.Access{Path: path, Write: write})
		}
	}
	add(p.OdooDataDir, true)
	for _, dir := range world.OdooDirs(p.OdooDataDir) {
		if p.FilestoreDir == "" || filepath.Base(dir) != "filestore" {
			if v := mountedIn(theirs, filepath.Base(dir)); v == nil {
				add(dir, true)
			} else if v.Type == types.VolumeTypeBind && !v.ReadOnly {
				add(v.Source, true)
			}
		}
	}
	if p.FilestoreDir != "" {
		add(p.FilestoreDir, true)
	}
	for _, dir := range p.FilestoreDirs {
		add(dir, true)
	}
	add(p.OdooConfPath, false)
	if len(q.Paths) == 0 {
		return nil
	}
	got, err := world.AskAccess(ctx, stack, q)
	if err != nil || len(got.Problems) == 0 {
		return err
	}
	return &ui.Refusal{Code: codes.OdooAccess, What: "After the takeover Odoo would run as uid:gid " + got.Who + ", which cannot use what is mounted for it. Nothing was written or stopped.",
		Details: got.Problems, Ways: []string{again(a, "") + "        once that is done"}}
}

// mountedIn is the mount of that name in another mount, as ./sessions in Odoo's data:
// then the directory below is a mount point, and nobody writes there.
func mountedIn(mounts []types.ServiceVolumeConfig, name string) *types.ServiceVolumeConfig {
	for _, v := range mounts {
		if path.Base(v.Target) == name && slices.ContainsFunc(mounts, func(m types.ServiceVolumeConfig) bool { return path.Clean(m.Target) == path.Dir(path.Clean(v.Target)) }) {
			return &v
		}
	}
	return nil
}

// copyOwner is whom copies of Odoo's data belong to: the person or, where that is root,
// the image's own user, as whom Odoo runs then. Their Odoo may have been root.
func copyOwner(ctx context.Context, next proposal, person string) string {
	stack, p := engines.Engine(ctx), next.project
	if person != "" || stack == nil || engines.ImageEnv(ctx, p.OdooImage) == nil {
		return person
	}
	uid, gid, err := stack.UserID(ctx, p.OdooImage, next.odooUser)
	if err != nil || uid == 0 {
		return "" // as it is: root may use it
	}
	return fmt.Sprintf("%d:%d", uid, gid)
}
