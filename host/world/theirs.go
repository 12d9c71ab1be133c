package world

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/compose/foreign"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/state"
)

// Theirs is a compose file of somebody else's that stands where odpm's goes,
// compared with what odpm would run instead.
type Theirs struct {
	// File is its path.
	File string
	// Lost are data of its stack that odpm's would not have.
	Lost []foreign.Problem
	// Missing is what else odpm's document and its override lack of it.
	Missing []string
}

// uncompared is one line. What follows in the error is a way on, which odpm adopt
// shows.
func uncompared(file string, err error) string {
	why, _, _ := strings.Cut(err.Error(), "\n")
	return fmt.Sprintf("%s could not be compared with what odpm would run: %s", file, why)
}

// theirs compares. A file that cannot be read as a compose file starts nothing
// either.
func (r *Reader) theirs(ctx context.Context, w *World) {
	found := w.Files.Compose
	path := found.Path
	switch {
	case r.in.Kept != nil:
		return
	case found.Bytes != nil && !compose.IsOurs(found.Bytes):
	case len(found.Beside) > 0:
		path = found.Beside[0]
	default:
		return
	}
	p := r.in.Project
	f, err := foreign.Read(ctx, path, p.Env)
	if err != nil {
		w.Warnings = append(w.Warnings, uncompared(r.in.Rel(path), err))
		return
	}
	t := &Theirs{File: path}
	w.Theirs = t
	use := func(name string) string {
		if _, ok := f.Doc.Services[name]; ok {
			return name
		}
		return ""
	}
	if pg, odoo := use(p.Setting("POSTGRES_SERVICE_NAME")), use(p.Setting("ODOO_SERVICE_NAME")); pg != "" || odoo != "" {
		if err := f.Use(pg, odoo); err != nil {
			return
		}
	}
	if f.Postgres != nil && r.Stack != nil {
		conf, err := r.Stack.ImageConf(ctx, f.ImageOf(f.Postgres.Service))
		if err == nil {
			err = f.KnowImage(conf.Env)
		}
		if err != nil && !errors.Is(err, engine.ErrNoImage) {
			return
		}
	}
	place := foreign.Place{Dir: p.Dir, External: p.External, Owner: w.Person(), OdooData: p.OdooDataDir, Data: p.Setting("POSTGRES_DATA_DIR")}
	// One that cannot be read is odpm adopt's to say.
	if a, err := state.NewDirs(p.Dir).Adoption(); err == nil && a != nil {
		place.Copied = a.Copied
	}
	if r.Stack != nil {
		place.Made, place.Volumes = Made(engines.Made(ctx, f.Name)), engines.Volumes(ctx)
		f.Volumes = place.Volumes
	}
	if len(r.in.ComposeFiles) > 1 {
		// What .env had before is in the override by now.
		f.Settings = project.Keys
	}
	t.Lost = f.Propose(place).Lost()
	t.Lost = append(t.Lost, f.Elsewhere(*p, place, SameFile)...)
	d, err := f.Difference(ctx, *p, r.in.ComposeFiles[1:], nil)
	if err != nil {
		w.Warnings = append(w.Warnings, uncompared(r.in.Rel(path), err))
		return
	}
	for _, m := range d.Mounts {
		t.Lost = append(t.Lost, foreign.Problem{Code: "mount", Blocking: true, Message: m + " is a place that the service writes to, and odpm's own file does not mount it",
			Way: "odpm init --from-compose " + filepath.Base(path) + "        proposes docker-compose.override.yml with it"})
	}
	t.Missing = d.Carried
	for _, x := range d.Problems {
		if x.Blocking {
			t.Lost = append(t.Lost, x)
		}
	}
}

// Made gives containers to a proposal.
func Made(made map[string]engines.Container) map[string]foreign.Made {
	if made == nil {
		return nil
	}
	out := map[string]foreign.Made{}
	for service, m := range made {
		c := foreign.Made{Name: m.Name, Image: m.Image}
		for _, x := range m.Mounts {
			c.Mounts = append(c.Mounts, foreign.MadeMount(x))
		}
		out[service] = c
	}
	return out
}
