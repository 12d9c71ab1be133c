package apply

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engines/writers"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/shared/beneath"
	"github.com/odpm/odpm/shared/durable"
)

// Takeover is what has been decided about somebody's stack: how it was, and what
// is written, copied and stopped before odpm starts the project.
type Takeover struct {
	// Before is the record for the way back, without Ran and Before.
	Before state.Adoption
	Files  []plan.File
	Modes  map[string]os.FileMode
	Copies []engine.CopyData
	// Build are services whose image compose builds and that is not there yet, Pull the
	// other images of the new stack that are not.
	Build, Pull []string
	// Project takes the place of the stack, nil where the file is kept; OdooImage is
	// what its Odoo is started from.
	Project   *project.Project
	OdooImage string
	// Keep: the file stays, and nothing is stopped or copied.
	Keep bool
}

// Adopt does it, and starts the project: its end is a proven login. It gives
// Odoo's URL.
func Adopt(ctx context.Context, o Options, t Takeover) (string, error) {
	if err := fetched(ctx, o, t); err != nil {
		return "", err
	}
	dirs := state.NewDirs(o.Dir)
	if err := dirs.Ensure(); err != nil {
		return "", err
	}
	lock, err := dirs.LockProject("", "odpm "+strings.Join(o.Args, " "))
	if err != nil {
		return "", err
	}
	if err := withChecker(ctx, o, t, dirs); err != nil {
		lock.Unlock()
		return "", err
	}
	err = takeOver(ctx, o, dirs, t)
	lock.Unlock()
	if err != nil {
		return "", wording.WithNext(err, "To undo what was done", "odpm adopt --undo")
	}
	o.Acted = true
	return Adopted(ctx, o)
}

// Adopted starts a project whose stack was taken over.
func Adopted(ctx context.Context, o Options) (string, error) {
	o.Want.ReplaceCompose = true
	done, err := All(ctx, o)
	dirs := state.NewDirs(o.Dir)
	if err != nil {
		if a, _ := dirs.Adoption(); a != nil && !a.Proven {
			o.Term.Say("odpm: the takeover of %s is not complete. Once the error below is fixed, odpm adopt continues; odpm adopt --undo brings the old stack back", filepath.Base(a.File))
		}
		return done.URL, err
	}
	if o.Want.Goal < plan.Odoo {
		return done.URL, nil
	}
	a, err := dirs.Adoption()
	if err != nil || a == nil || a.Proven {
		return done.URL, err
	}
	a.Proven = true
	return done.URL, dirs.KeepAdoption(a)
}

func takeOver(ctx context.Context, o Options, dirs state.Dirs, t Takeover) error {
	a := t.Before
	a.At = time.Now().UTC().Truncate(time.Second)
	named := map[string]bool{}
	for _, b := range a.Before {
		named[b.Path] = true
	}
	for _, f := range t.Files {
		if named[f.Path] {
			continue
		}
		a.Before = append(a.Before, state.AsIs(f.Path, f.Old))
	}
	if err := dirs.KeepAdoption(&a); err != nil {
		return err
	}
	var err error
	if stack := writers.Theirs(a.Dir, a.Project, a.Files, nil); t.Keep {
		// The start makes Odoo's container anew, and may make PostgreSQL's anew.
		a.Ran, err = stack.Running(ctx)
	} else {
		o.Term.Step("stopping the stack of %s", filepath.Base(a.File))
		a.Ran, err = stack.StopStack(ctx)
	}
	if err != nil {
		return err
	}
	if err := dirs.KeepAdoption(&a); err != nil {
		return err
	}
	for _, c := range t.Copies {
		o.Term.Step("copying %s to %s", copied(c), c.To)
		below := slices.ContainsFunc(a.Copied, func(dir string) bool { return strings.HasPrefix(c.To, dir+"/") })
		if err := emptyDir(ctx, o.Dir, c.To, below); err != nil {
			return err
		}
		a.Copied = append(a.Copied, c.To)
		if err := dirs.KeepAdoption(&a); err != nil {
			return err
		}
		if err := writers.Theirs(a.Dir, a.Project, a.Files, nil).CopyData(ctx, c); err != nil {
			return fmt.Errorf("copy %s: %w", copied(c), err)
		}
	}
	for _, f := range t.Files {
		if err := durable.WriteFile(f.Path, f.New, t.Modes[f.Path]); err != nil {
			return err
		}
		o.Term.Step("%s written", filepath.Base(f.Path))
	}
	a.Done = true
	return dirs.KeepAdoption(&a)
}

// rememberBefore adds a file that a run is about to write to the record of a
// takeover that can still be undone: where odoo.conf is, only the run knows.
func rememberBefore(dirs state.Dirs, f plan.File) error {
	a, err := dirs.Adoption()
	if err != nil || a == nil || a.Proven {
		return err
	}
	path := f.Path
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // a link stays one
	}
	if slices.ContainsFunc(a.Before, func(x state.FileBefore) bool { return x.Path == path || x.Path == f.Path }) {
		return nil
	}
	a.Before = append(a.Before, state.AsIs(path, f.Old))
	return dirs.KeepAdoption(a)
}

func copied(c engine.CopyData) string {
	if c.Volume != "" {
		return "volume " + c.Volume + c.From
	}
	return "container " + c.Container + ":" + c.From
}

// UndoAdoption gives back the stack as it was. What Odoo or PostgreSQL's files
// were copied to is kept under a dated name.
func UndoAdoption(ctx context.Context, o Options, a *state.Adoption) error {
	dirs := state.NewDirs(o.Dir)
	lock, err := dirs.LockProject("", "odpm "+strings.Join(o.Args, " "))
	if err != nil {
		return err
	}
	defer lock.Unlock()
	now := time.Now()
	made := []string{"postgres"}
	if p, err := project.Load(o.Dir, o.Environ, o.Home); err == nil {
		made = append(made, p.AppRole)
	}
	stack := writers.Theirs(a.Dir, a.Project, a.Files, nil)
	if err := fetchedAgain(ctx, o, a, stack); err != nil {
		return err
	}
	var kept []string
	if a.Done || !a.Keep {
		o.Term.Step("removing the containers of compose project %s; their data is kept", a.Project)
		// What the old file made and is still there is what it was.
		var err error
		if kept, err = stack.RemoveStack(ctx, slices.Collect(maps.Values(a.Containers))); err != nil {
			return err
		}
	}
	for _, b := range a.Before {
		if err := before(o.Dir, b); err != nil {
			return err
		}
	}
	for _, dir := range a.Copied {
		if err := setAside(dir, now, o); err != nil {
			return err
		}
	}
	for _, path := range []string{filepath.Join(o.Dir, compose.OverlayName), filepath.Join(dirs.Database(), "last_run.json"), filepath.Join(dirs.Runtime(), "checker.json"),
		filepath.Join(dirs.State(), state.UpFile)} {
		// A container may have put something else in the place of a file; the old
		// stack starts anyway.
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			o.Term.Warn("%v", err)
		}
	}
	if len(a.Ran) > 0 {
		files := slices.Clone(a.Files)
		gone := slices.DeleteFunc(slices.Clone(a.Pins), func(p state.Pin) bool { return slices.Contains(kept, a.Containers[p.Service]) })
		if len(gone) > 0 {
			// The old containers are gone, and what they had in anonymous volumes is
			// found by the volumes' names.
			pins := filepath.Join(dirs.State(), "undo.yml")
			if err := durable.WriteFile(pins, pinned(gone), 0o600); err != nil {
				return err
			}
			files = append(files, pins)
		}
		o.Term.Step("starting the stack of %s", filepath.Base(a.File))
		if err := writers.Theirs(a.Dir, a.Project, files, nil).Up(ctx, nil, a.Ran...); err != nil {
			return err
		}
	}
	givenBackRoles(ctx, o, dirs, a, stack, made)
	return dirs.ForgetAdoption()
}

// before puts a file back as it was. A compose file's dated copy goes. A container
// that has the directory mounted may have made a link of the file: that is replaced,
// and not followed.
func before(projectDir string, b state.FileBefore) error {
	copies, _ := filepath.Glob(b.Path + ".2*")
	for _, c := range copies {
		if data, err := os.ReadFile(c); err == nil && b.Had && bytes.Equal(data, b.Is) {
			if err := os.Remove(c); err != nil {
				return err
			}
		}
	}
	if is, err := os.ReadFile(b.Path); err == nil && b.Had && bytes.Equal(is, b.Is) {
		if info, err := os.Lstat(b.Path); err == nil && info.Mode() == b.Mode {
			return nil
		}
	}
	if b.Had {
		at, rel, err := within(projectDir, b.Path)
		if err != nil {
			return err
		}
		defer at.Close()
		uid, gid := -1, -1
		if os.Geteuid() == 0 {
			uid, gid = b.UID, b.GID
		}
		return at.WriteFile(rel, b.Is, b.Mode, uid, gid)
	}
	err := os.Remove(b.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// within opens what is trusted of a directory's path: the project, or the parent of
// a directory elsewhere. rel is the rest.
func within(projectDir, dir string) (at *beneath.Dir, rel string, err error) {
	if rel, err = filepath.Rel(projectDir, dir); err != nil || !filepath.IsLocal(rel) {
		projectDir, rel = filepath.Dir(dir), filepath.Base(dir)
	}
	at, err = beneath.Open(projectDir)
	return at, rel, err
}

// emptyDir makes a directory that data is copied to as root. The stack that was
// taken over may have had a directory above it mounted, and have made a link there.
// Where a directory above it has just been copied, what this mount covered came with
// it, which Odoo did not see.
func emptyDir(ctx context.Context, projectDir, dir string, covered bool) error {
	at, rel, err := within(projectDir, dir)
	if err != nil {
		return err
	}
	defer at.Close()
	made, err := at.MkdirAll(rel, 0o755, nil)
	var link *beneath.LinkError
	if errors.As(err, &link) {
		return fmt.Errorf("%w. To keep Odoo's data in another directory, name it: ODOO_DATA_DIR in .env", err)
	}
	if err != nil {
		return err
	}
	defer made.Close()
	if covered {
		return made.Empty(ctx)
	}
	return made.Each(func(name string, _ beneath.Info) error {
		return fmt.Errorf("%s already contains something (%q), and odpm does not copy over it. Move it elsewhere", dir, name)
	})
}

// setAside renames a directory that data was copied to: the next takeover must
// not take it for the present.
func setAside(dir string, now time.Time, o Options) error {
	at, rel, err := within(o.Dir, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer at.Close()
	suffix := ".undone-" + now.UTC().Format("20060102T150405Z")
	err = at.Rename(rel, at, rel+suffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		o.Term.Say("odpm: the copy of Odoo's data is kept as %s", dir+suffix)
	}
	return err
}
