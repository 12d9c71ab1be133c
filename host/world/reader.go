package world

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/odpm/odpm/host/cluster"
	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/shared/handoff"
	"github.com/odpm/odpm/shared/snapshot"
)

// Reader makes Worlds of one project. It starts and writes nothing.
type Reader struct {
	in *inputs.Inputs
	*engines.Readers
	// configs and inputs are what was found out about compose files, by configKey.
	configs map[string]Config
	inputs  map[string]string
	startup *cluster.Startup
}

// NewReader looks through readers.
func NewReader(in *inputs.Inputs, r *engines.Readers) *Reader {
	return &Reader{in: in, Readers: r, configs: map[string]Config{}, inputs: map[string]string{}, startup: cluster.StartupOf(in.Project.PostgresMajor)}
}

// hints are the project's on the server that is looked at.
func (r *Reader) hints(bootstrap string) cluster.Hints {
	h := r.in.Hints(bootstrap, r.Stack != nil)
	h.Startup = r.startup
	return h
}

// SnapshotPath is last_run.json.
func SnapshotPath(d state.Dirs) string { return filepath.Join(d.Database(), snapshot.FileName) }

// HandoffPath is checker.json on this machine.
func HandoffPath(d state.Dirs) string { return filepath.Join(d.Runtime(), handoff.FileName) }

// Read looks once. run is what this run has done so far.
func (r *Reader) Read(ctx context.Context, run Run) (*World, error) {
	once := *r
	once.Readers = r.Readers.Moment()
	return once.read(ctx, run)
}

func (r *Reader) read(ctx context.Context, run Run) (*World, error) {
	p := r.in.Project
	w := &World{Kind: r.Kind, OdooHere: r.OdooHere(r.in.Project), Asked: r.Server != nil, EngineErr: r.Err, Stack: r.Stack != nil, Run: run, UID: os.Getuid(), GID: os.Getgid()}
	w.Warnings = append(w.Warnings, r.Warnings...)
	var err error
	if w.Snapshot, err = snapshot.Load(SnapshotPath(r.in.Dirs)); errors.Is(err, snapshot.ErrMissing) {
		w.Snapshot = nil
	} else if err != nil {
		return nil, err
	}
	w.SnapshotFile, _ = os.Stat(SnapshotPath(r.in.Dirs))
	if w.Snapshot != nil {
		w.SameData = SameFile(w.Snapshot.Compose.DataPathAbs, r.in.Project.DataPath())
	}
	if w.Bootstrap, err = r.in.Dirs.Remembered(state.BootstrapSecret); err != nil {
		w.Bootstrap = ""
	}
	if w.Accepted, err = r.in.Dirs.Acceptances(); err != nil {
		w.Warnings = append(w.Warnings, err.Error())
	}
	ctx, cancel := context.WithCancel(ctx)
	asked, held, built := r.ask(ctx, asking{w.Snapshot, w.SameData, r.hints(w.Bootstrap)}), r.holding(ctx), r.building(ctx)
	defer func() {
		cancel()
		// They are closed when nothing is asked any more.
		<-asked
		<-held
		<-built
	}()
	if err := r.files(w); err != nil {
		return nil, err
	}
	r.process(w)
	w.Disk = datadir.Facts{Path: p.DataDir, UID: -1, GID: -1}
	if !w.Asked && !p.External && p.DataVolume == "" {
		w.Disk = datadir.Look(p.DataDir, p.PostgresMajor)
	}
	if err := r.stack(ctx, w); err != nil {
		return nil, err
	}
	if r.Stack != nil && w.Up.Inputs != "" {
		// The plan is going to ask; now is the time, while the server is asked.
		r.configInputs(ctx, r.configKey(nil))
	}
	if err := r.postgres(ctx, w, asked, held); err != nil {
		return nil, err
	}
	if err := r.last(ctx, w); err != nil {
		return nil, err
	}
	b := <-built
	if w.Built, err = b.list, b.err; err != nil {
		return nil, err
	}
	r.theirs(ctx, w)
	return w, ctx.Err()
}

// RememberedUp is what the last `docker compose up` made; a record that cannot be
// read is no proof, and the zero value.
func RememberedUp(d state.Dirs) Up {
	var up Up
	data, err := d.Read(state.UpFile)
	if err != nil || json.Unmarshal(data, &up) != nil {
		return Up{}
	}
	return up
}

// holders are who has the project's data.
type holders struct {
	list []engine.Holder
	err  error
}

// holding asks for them beside everything else: an engine with some hundred
// containers takes its time to list them.
func (r *Reader) holding(ctx context.Context) <-chan holders {
	out := make(chan holders, 1)
	if r.Own == nil {
		close(out)
		return out
	}
	go func() {
		defer close(out)
		list, err := r.Own.Holders(ctx)
		out <- holders{list, err}
	}()
	return out
}

// builds are the images that odpm built for the project.
type builds struct {
	list []engine.BuiltImage
	err  error
}

// building asks for them beside everything else: Docker goes through all images
// of the machine to list a few.
func (r *Reader) building(ctx context.Context) <-chan builds {
	out := make(chan builds, 1)
	if r.Stack == nil || r.in.Kept != nil { // odpm builds none for a kept file
		close(out)
		return out
	}
	go func() {
		defer close(out)
		list, err := r.Stack.Built(ctx, BuiltRepository(r.in.Project.Name))
		out <- builds{list, err}
	}()
	return out
}

// postgres looks at the data, and takes what the server said.
func (r *Reader) postgres(ctx context.Context, w *World, asked <-chan answer, held <-chan holders) error {
	if r.Server == nil {
		return nil
	}
	if r.Own != nil {
		seen, err := r.Own.Look(ctx)
		switch {
		case err == nil:
			w.Disk = seen
		case ctx.Err() != nil:
			return ctx.Err()
		default:
			w.DiskErr = err
			w.Disk = datadir.Facts{Path: r.in.Project.DataDir, UID: -1, GID: -1}
		}
		h := <-held
		w.HoldersErr = h.err
		for _, h := range h.list {
			w.Holders = append(w.Holders, Holder{h, h.WorkingDir == "" || SameFile(h.WorkingDir, r.in.StackDir()), h.WorkingDir != ""})
		}
	}
	a := <-asked
	if a.err != nil {
		return a.err
	}
	if len(OfAnotherStack(r.in.Project, w.Containers)) > 0 {
		// What was said is not about this project: as if nothing ran.
		return nil
	}
	w.Status, w.Addr, w.OldServer, w.OnOldData = a.status, a.addr, a.old, a.onOldData
	w.Warnings = append(w.Warnings, a.warnings...)
	if r.Kind == engines.Native && !w.Status.Running {
		w.NoPrograms = engines.NativeAvailable(ctx, r.in.Project)
	}
	if a.facts == nil {
		return nil
	}
	if w.Elsewhere = r.elsewhere(ctx, w, *a.facts); w.Elsewhere == nil {
		w.Server = a.facts
	}
	return nil
}

// elsewhere: the server has other data than the project's.
func (r *Reader) elsewhere(ctx context.Context, w *World, f cluster.Facts) *Elsewhere {
	if r.Own == nil {
		return nil
	}
	ok, where, err := r.Own.Serves(ctx, f.DataDirectory)
	disk := w.Disk.SystemIdentifier
	switch {
	case err != nil:
		return &Elsewhere{Err: err}
	case !ok:
		return &Elsewhere{Where: where}
	case disk != "" && f.SystemIdentifier != "" && disk != f.SystemIdentifier:
		return &Elsewhere{Where: where, Server: f.SystemIdentifier, Disk: disk}
	}
	return nil
}

// stack looks at the compose project and at the images.
func (r *Reader) stack(ctx context.Context, w *World) error {
	if r.Stack == nil {
		return nil
	}
	p := r.in.Project
	var err error
	if w.UID != 0 {
		if w.Rootless, err = r.Stack.Rootless(ctx); err != nil {
			return err
		}
	}
	if w.Containers, err = r.Containers(ctx); err != nil {
		return err
	}
	for _, image := range r.in.Images {
		conf, err := r.Stack.ImageConf(ctx, image)
		if errors.Is(err, engine.ErrNoImage) {
			w.MissingImages = append(w.MissingImages, image)
		} else if err != nil {
			return err
		}
		if image == r.in.PostgresImage && !p.External {
			w.PGData, w.PostgresUser = conf.Env["PGDATA"], conf.User
		}
	}
	if !p.External {
		if !slices.Contains(r.in.Images, r.in.PostgresImage) {
			// Compose builds it, or has it without pulling.
			conf, err := r.Stack.ImageConf(ctx, r.in.PostgresImage)
			if err != nil && !errors.Is(err, engine.ErrNoImage) {
				return err
			}
			w.PGData, w.PostgresUser = conf.Env["PGDATA"], conf.User
		}
		if p.DataVolume == "" && !p.KeepCompose {
			if w.Volume, err = r.Stack.Volume(ctx, p.VolumeName); err != nil {
				return err
			}
		}
	}
	img, err := r.Stack.Image(ctx, p.OdooImage)
	switch {
	case err == nil:
		w.OdooImage = &img
		if on := InContainers(img.Arch); on != w.Checker.On {
			if w.Checker = FindChecker(p.Env, on, r.in.Dirs); r.in.Kept != nil && w.Checker.Err == nil {
				r.mounted(w)
			}
		}
		w.Checker.startsIn(p.OdooImage, img)
	case !errors.Is(err, engine.ErrNoImage):
		return err
	}
	return nil
}

// BuiltRepository names the images that odpm builds for a project.
func BuiltRepository(project string) string { return "odpm/" + project + "-odoo" }

// last reads the containers that the last run left under another compose
// project name.
func (r *Reader) last(ctx context.Context, w *World) error {
	if r.Stack == nil || w.Snapshot == nil || r.in.Project.KeepCompose {
		return nil
	}
	name := w.LastProject(r.in.Project)
	if name == r.in.Project.Name {
		return nil
	}
	var err error
	w.Last, err = r.containers(ctx, name)
	return err
}

// Containers are those of the project's compose stack, wherever they were made.
func (r *Reader) Containers(ctx context.Context) ([]Container, error) {
	if r.Stack == nil {
		return nil, nil
	}
	return r.containers(ctx, r.in.Project.Name)
}

func (r *Reader) containers(ctx context.Context, project string) ([]Container, error) {
	all, err := r.Stack.Containers(ctx, project)
	if err != nil {
		return nil, err
	}
	var out []Container
	for _, c := range all {
		_, err := os.Stat(c.WorkingDir)
		out = append(out, Container{c, c.WorkingDir == "" || SameFile(c.WorkingDir, r.in.StackDir()), errors.Is(err, fs.ErrNotExist)})
	}
	return out, nil
}
