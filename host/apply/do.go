package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engines/writers"
	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/host/world"
	"github.com/odpm/odpm/shared/durable"
	"github.com/odpm/odpm/shared/handoff"
)

// do runs one action.
func (r *Run) do(ctx context.Context, a plan.Action) error {
	switch a.Op {
	case plan.MakeDir:
		return r.makeDir(ctx, a.Resource)
	case plan.MakeSecret:
		if err := r.Dirs.Ensure(); err != nil {
			return err
		}
		if _, err := r.Dirs.Secret(filepath.Base(a.Resource)); err != nil {
			return err
		}
		return r.giveSecret(ctx, a.Resource)
	case plan.WriteFile:
		return r.write(ctx, *a.File)
	case plan.PullImage:
		if r.kept != nil && a.Resource == r.Project.OdooImage && r.kept.Doc.Services[r.Project.OdooServiceName].Build != nil {
			return build(ctx, r.Term, r.Stack, r.Project.OdooServiceName, r.nothingDone())
		}
		return pull(ctx, r.Term, r.Stack, a.Resource, r.nothingDone())
	case plan.BuildImage:
		return r.build(ctx, a.Resource)
	case plan.PutChecker:
		return r.putChecker(ctx, a.Resource)
	case plan.StopService:
		r.Term.Step("stopping %s", a.Resource)
		if err := writers.OldStack(r.Inputs, a.Project).StopService(ctx, a.Resource); err != nil {
			return fmt.Errorf("stop the last run's service %s: %w", a.Resource, err)
		}
	case plan.StopServer:
		r.Term.Step("stopping PostgreSQL on %s (port %d)", a.Resource, a.Port)
		return writers.OldNative(r.Inputs, a.Resource, a.Port).Stop(ctx)
	case plan.RemoveVolume:
		return r.Stack.RemoveVolume(ctx, a.Resource)
	case plan.StartPostgres:
		return r.startPostgres(ctx)
	case plan.EnsureRole:
		_, err := r.ensureRole(ctx)
		return err
	case plan.ProveLogin:
		if a.Step == plan.StepUp {
			return r.stillGood(ctx)
		}
		return r.proveBeforehand(ctx)
	case plan.WriteBaseline:
		return r.writeBaseline()
	case plan.UpOdoo:
		return r.up(ctx)
	case plan.RemoveImage:
		// One that somebody has begun to use meanwhile stays.
		if err := r.Stack.RemoveImage(ctx, a.Resource); err != nil {
			r.Term.Warn("%v", err)
		}
	default:
		return fmt.Errorf("no code does %q", a.Op)
	}
	return nil
}

// makeDir makes one of odpm's directories, or data/odoo for the uid that Odoo
// has. PostgreSQL's directory is made here only for Docker, which cannot bind
// what does not exist.
func (r *Run) makeDir(ctx context.Context, dir string) error {
	if dir == r.Project.DataDir {
		return os.MkdirAll(dir, 0o755)
	}
	if err := r.ownDirs(ctx); err != nil {
		return err
	}
	if dir != r.Project.OdooDataDir {
		return r.Dirs.Ensure()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if r.Dirs.UID >= 0 {
		if err := os.Chown(dir, r.Dirs.UID, r.Dirs.GID); err != nil {
			return err
		}
	}
	return r.prepareFilestores()
}

// prepareFilestores makes mount points: Docker would make them as root, and
// filestore around them, where Odoo could make no other database's.
func (r *Run) prepareFilestores() error {
	if r.Stack != nil && os.Geteuid() == 0 && r.Dirs.UID < 0 {
		// Whose they must be is not known yet.
		return nil
	}
	var owner *filestore.Owner
	if r.Dirs.UID >= 0 {
		owner = &filestore.Owner{UID: r.Dirs.UID, GID: r.Dirs.GID}
	}
	return r.filestores().Prepare(owner)
}

// ownDirs finds out whom directories made for the container belong to: as root
// Odoo runs as the image's own user, or as the one that a person's file names.
func (r *Run) ownDirs(ctx context.Context) error {
	if r.World.UID != 0 || r.Stack == nil || r.Dirs.UID >= 0 {
		return nil
	}
	uid, gid, err := r.Stack.UserID(ctx, r.Project.OdooImage, r.Inputs.OdooUser)
	if errors.Is(err, engine.ErrNoImage) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("could not find out which user %s runs as: %w", r.Project.OdooImage, err)
	}
	r.Dirs.UID, r.Dirs.GID, err = r.hostIDs(ctx, r.Project.OdooImage, uid, gid)
	return err
}

// write puts a file in place, each as its readers want it.
func (r *Run) write(ctx context.Context, f plan.File) error {
	if f.Path == r.Project.OdooConfPath {
		if err := rememberBefore(r.Dirs, f); err != nil {
			return err
		}
		return writeConf(f.Path, f.New)
	}
	if err := r.ownDirs(ctx); err != nil {
		return err
	}
	if err := r.Dirs.Ensure(); err != nil {
		return err
	}
	switch f.Path {
	case world.HandoffPath(r.Dirs):
		return handoff.Save(r.Dirs.Runtime(), r.Desired.Handoff)
	case r.Dirs.SecretPath(state.OdooEnvFile):
		return durable.WriteFile(f.Path, f.New, 0o600)
	}
	if r.kept == nil {
		if err := r.prepareFilestores(); err != nil {
			return err
		}
	}
	done, err := compose.Write(f.Path, f.New, compose.WriteOptions{Replace: r.Want.ReplaceCompose, External: r.Project.External})
	for _, c := range done.Copies {
		r.Term.Say("odpm: the previous %s is kept as %s", r.Rel(c.Path), r.Rel(c.Copy))
	}
	return err
}

// writeConf replaces the person's file and keeps what it is: a link stays a
// link, and who could read it still can.
func writeConf(path string, content []byte) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	mode, uid, gid := os.FileMode(0o644), -1, -1
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
		uid, gid = state.Owner(info)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := durable.WriteFile(path, content, mode); err != nil {
		return err
	}
	if os.Geteuid() == 0 && uid >= 0 {
		// The rename made a file of root's; who could read it must still.
		return os.Chown(path, uid, gid)
	}
	return nil
}

// build makes the image from .odpm/image.
func (r *Run) build(ctx context.Context, ref string) error {
	r.Term.Step("building %s", ref)
	dir := r.Dirs.Image()
	if err := state.EnsureDir(dir, 0o755); err != nil {
		return err
	}
	binary, err := os.ReadFile(r.Desired.Image.Checker)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(dir, "odpm-checker"), binary, 0o755); err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(r.Desired.Image.Dockerfile), 0o644); err != nil {
		return err
	}
	if err := r.Stack.Build(ctx, engine.Build{Dir: dir, Tag: ref}); err != nil {
		return err
	}
	return r.rememberChecker()
}

// putChecker copies the checker to where a kept file's Odoo has it mounted.
func (r *Run) putChecker(ctx context.Context, at string) error {
	if err := r.ownDirs(ctx); err != nil {
		return err
	}
	if err := r.Dirs.Ensure(); err != nil {
		return err
	}
	binary, err := os.ReadFile(r.Desired.Image.Checker)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(at, binary, 0o755); err != nil {
		return err
	}
	return r.rememberChecker()
}

// formerCheckers are removed once no container starts with them.
func (r *Run) formerCheckers() {
	all, err := filepath.Glob(filepath.Join(r.Dirs.Runtime(), compose.CheckerPrefix+"*"))
	for _, path := range all {
		if err == nil && path != r.World.Files.CheckerMounted {
			_ = os.Remove(path) // nothing depends on it
		}
	}
}

// rememberChecker keeps the binary's digest, so that the next look need not
// read it.
func (r *Run) rememberChecker() error {
	c := r.World.Checker
	info, err := os.Stat(c.Path)
	if err != nil || c.Digest == "" || strings.ContainsAny(c.Path, "\n") {
		return nil
	}
	return r.Dirs.Remember(state.CheckerFile, world.CheckerStamp(c.Path, info)+" = "+c.Digest)
}
