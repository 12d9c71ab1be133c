package setup

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/odpm/odpm/host/apply"
	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/compose/foreign"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/ports"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/host/ui"
)

// Adoption is what `odpm adopt` was told.
type Adoption struct {
	// File is the compose file, "" for the one that compose itself would take.
	File string
	// Postgres and Odoo name the services where several could be meant, Version is
	// Odoo's and PostgresVersion PostgreSQL's where neither file nor image says it.
	Postgres, Odoo, Version, PostgresVersion string
	// External: PostgreSQL runs elsewhere. Keep: the file stays. Yes: nobody is
	// asked.
	External, Keep, Yes bool
}

// Adopt takes somebody's stack over: it proposes, asks once, and does all of it
// up to a proven login. It gives Odoo's URL.
func Adopt(ctx context.Context, o apply.Options, a Adoption) (string, error) {
	dirs := state.NewDirs(o.Dir)
	was, err := dirs.Adoption()
	if err != nil {
		return "", err
	}
	if was != nil && was.Proven {
		if err := dirs.ForgetAdoption(); err != nil {
			return "", err
		}
		was = nil
	}
	switch {
	case was != nil && !was.Done:
		return "", &ui.Refusal{Code: codes.TakeoverData, What: "A takeover of " + was.File + " was interrupted before it was complete. Nothing was written.",
			Ways: []string{"odpm adopt --undo        brings the old stack back; then run odpm adopt again"}}
	case was != nil:
		o.Term.Say("odpm: %s has already been taken over; continuing to a proven login", filepath.Base(was.File))
		return apply.Adopted(ctx, o)
	}
	named, err := namedFiles(o)
	if err != nil {
		return "", err
	}
	dir, isDir := o.Dir, a.File == ""
	if !isDir {
		// A directory stands for its file, as for docker compose.
		if dir = a.File; !filepath.IsAbs(dir) {
			dir = filepath.Join(o.Dir, dir)
		}
		info, err := os.Stat(dir)
		isDir = err == nil && info.IsDir()
	}
	switch {
	case isDir && len(named) > 0 && filepath.Clean(dir) == filepath.Clean(o.Dir):
		a.File = named[0]
	case isDir:
		name, err := defaultFile(dir)
		if err != nil {
			return "", err
		}
		a.File = filepath.Join(a.File, name)
	}
	if err := keeps(o, a); err != nil {
		return "", err
	}
	for key, value := range map[string]string{"POSTGRES_SERVICE_NAME": a.Postgres, "ODOO_SERVICE_NAME": a.Odoo, "ODPM_POSTGRES": map[bool]string{true: "external"}[a.External]} {
		if value != "" {
			o.Environ = append(slices.Clone(o.Environ), key+"="+value)
		}
	}
	end := o.Term.Working("reading " + a.File)
	t, notes, err := takeover(ctx, o, a)
	end()
	if err != nil {
		return "", err
	}
	if err := review(o, a, t, notes); err != nil {
		return "", err
	}
	return apply.Adopt(ctx, o, t)
}

// Undo gives back the stack as it was before a takeover whose login was not
// proven yet.
func Undo(ctx context.Context, o apply.Options) error {
	a, err := state.NewDirs(o.Dir).Adoption()
	switch {
	case err != nil:
		return err
	case a == nil:
		return &ui.Refusal{Code: codes.TakeoverData, What: "Nothing was taken over here with odpm adopt, so there is nothing to undo. Nothing was written.", Ways: []string{"odpm plan        shows what odpm would do"}}
	case a.Proven && len(a.Copied) > 0:
		r := &ui.Refusal{Code: codes.TakeoverData, What: "The new login is proven, and Odoo may have written to its copied file store since then; the old one would lack those files. Nothing was undone.",
			Ways: []string{"odpm -d NAME --db-backup        a complete backup of the database NAME, before anything else"}}
		r.Details = append(r.Details, "the old compose file: "+a.File+"."+a.At.Local().Format("2006-01-02"))
		return r
	}
	here := engines.Made(ctx, a.Project)
	for _, service := range a.Layers {
		if here[service].ID != a.Containers[service] {
			return &ui.Refusal{Code: codes.TakeoverData, What: fmt.Sprintf("The container of service %s, which kept its data inside itself, no longer exists: the old stack would start without that data. Nothing was undone.", service),
				Ways: []string{"odpm adopt        continues to a proven login, with the data that was copied out of it"}}
		}
	}
	return apply.UndoAdoption(ctx, o, a)
}

func defaultFile(dir string) (string, error) {
	for _, name := range cli.DefaultFileNames {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return name, nil
		}
	}
	return "", ui.Usagef("there is no compose file in %s; give its name as FILE: odpm adopt FILE", dir)
}

// namedFiles are what COMPOSE_FILE names: docker compose reads those alone.
func namedFiles(o apply.Options) ([]string, error) {
	env, err := project.Environment(o.Dir, "", o.Environ)
	if err != nil {
		return nil, err
	}
	return foreign.NamedFiles(env), nil
}

// takeover reads the stack and decides.
func takeover(ctx context.Context, o apply.Options, a Adoption) (t apply.Takeover, notes []string, err error) {
	path := a.File
	if !filepath.IsAbs(path) {
		path = filepath.Join(o.Dir, path)
	}
	named, err := namedFiles(o)
	if err != nil {
		return t, nil, err
	}
	if slices.Contains(named, a.File) {
		if !a.Keep {
			return t, nil, several(a, named)
		}
		path = o.Dir // all of them
	}
	f, place, err := readForeign(ctx, o, path)
	if err != nil {
		return t, nil, err
	}
	if err := choose(o, f, &a); err != nil {
		return t, nil, err
	}
	if a.Keep && f.Postgres == nil {
		r := &ui.Refusal{Code: codes.TakeoverData, What: fmt.Sprintf("No service of %s is PostgreSQL, and --keep needs one. Nothing was written.", a.File)}
		a.Keep = false
		r.Ways = []string{again(a, "--external") + "        odpm's own file, for a server elsewhere"}
		return t, nil, r
	}
	if err := postgresVersion(o, f, a); err != nil {
		return t, nil, err
	}
	if old := slices.DeleteFunc(slices.Clone(f.Problems), func(x foreign.Problem) bool { return x.Code != "major_old" }); len(old) > 0 && !a.External {
		return t, nil, blocked(a.File, old, place)
	}
	place.ExternalWay = again(a, "--external") + "        if PostgreSQL runs elsewhere"
	if f.Odoo != nil && f.Odoo.Version == "" {
		said := a.Version
		if p, err := project.Load(o.Dir, o.Environ, o.Home); said == "" && err == nil {
			said = p.OdooVersion
		}
		f.Odoo.Version = odooVersion(ctx, f.OdooImage(), said)
		if f.Odoo.Version == "" {
			return t, nil, &ui.Refusal{Code: codes.TakeoverData, What: fmt.Sprintf("The file, the Dockerfile and the image %s do not say Odoo's version. Nothing was written.", f.OdooImage()),
				Ways: []string{again(a, "--odoo-version 18.0") + "        or the version that it is"}}
		}
	}
	t.Before = state.Adoption{File: f.Files[0], Files: f.Files, Dir: f.Dir, Project: f.Name, Keep: a.Keep, Pins: apply.Pins(f, place.Made),
		Containers: map[string]string{}, Layers: f.InLayer(place.Made)}
	for service, m := range engines.Made(ctx, f.Name) {
		t.Before.Containers[service] = m.ID
	}
	t.Before.Images = imagesOf(f)
	if a.Keep && f.Odoo != nil && slices.Contains(t.Before.Layers, f.Odoo.Service) && !takenOut(f, place) {
		return t, nil, inLayer(a, f, place.Made[f.Odoo.Service].Name)
	}
	if a.Keep && f.Odoo != nil {
		if err := idles(ctx, a, f); err != nil {
			return t, nil, err
		}
	}
	t.Build = unbuilt(ctx, f)
	t.Keep, t.Modes = a.Keep, map[string]os.FileMode{}
	var files []newFile
	var next proposal
	if a.Keep {
		files, err = keeping(o, f, a)
	} else {
		place.Copying = true
		next, err = proposedFor(ctx, o, a.File, f, place, func(p *foreign.Proposal) {
			freePorts(p)
			if a.External && !slices.ContainsFunc(p.Vars, func(v foreign.Var) bool { return v.Key == "ODPM_POSTGRES" }) {
				p.Vars = append(p.Vars, foreign.Var{Key: "ODPM_POSTGRES", Value: "external"})
			}
		})
		files, notes = next.files, next.notes
		owner := place.Owner
		if len(next.copies) > 0 {
			owner = copyOwner(ctx, next, owner)
		}
		for _, c := range next.copies {
			t.Copies = append(t.Copies, engine.CopyData{Volume: c.Volume, Container: c.Container, From: c.From, To: c.To, Image: c.Image, Owner: owner})
		}
	}
	if err != nil {
		return t, nil, err
	}
	for _, n := range files {
		w, mode, err := n.over(o.Dir)
		if err != nil {
			return t, nil, err
		}
		if w != nil {
			t.Files = append(t.Files, *w)
			t.Modes[w.Path] = mode
		}
	}
	if !a.Keep {
		var theirs []types.ServiceVolumeConfig
		if f.Odoo != nil {
			theirs = f.Odoo.Mounts
		}
		if err := refusedLater(ctx, o, a, next); err != nil {
			return t, nil, err
		}
		if err := accessible(ctx, a, t, next, place.Owner, theirs); err != nil {
			return t, nil, err
		}
	}
	t.Pull = missing(ctx, f, next.project, t.Copies)
	if t.Project = next.project; t.Project != nil {
		t.OdooImage = t.Project.OdooImage
	} else if f.Odoo != nil {
		t.OdooImage = f.OdooImage()
	}
	t.Before.Before = replaced(o.Dir)
	if f.Postgres != nil {
		t.Before.Postgres = f.Postgres.Service
	}
	return t, notes, nil
}

// replaced are the files that a run itself may write.
func replaced(dir string) []state.FileBefore {
	var out []state.FileBefore
	own := filepath.Join(dir, compose.FileName)
	// A run writes odoo.conf where there is none.
	for _, path := range append([]string{own, filepath.Join(dir, "odoo.conf")}, compose.Beside(own)...) {
		data, err := os.ReadFile(path)
		if err != nil {
			data = nil
		}
		out = append(out, state.AsIs(path, data))
	}
	return out
}

// freePorts gives a key that the file does not say a port that is free now.
func freePorts(p *foreign.Proposal) {
	said, given := map[string]bool{}, []int{}
	for _, v := range p.Vars {
		said[v.Key] = true
	}
	for _, d := range []struct {
		key  string
		port int
	}{{"POSTGRES_PORT", 5432}, {"ODOO_PORT", compose.OdooHTTPPort}, {"GEVENT_PORT", compose.OdooGeventPort}} {
		if said[d.key] || ports.Free(loopback, d.port) {
			continue
		}
		port := ports.NextFree(loopback, d.port, given...)
		given = append(given, port)
		p.Vars = append(p.Vars, foreign.Var{Key: d.key, Value: fmt.Sprint(port), Why: fmt.Sprintf("%d is in use on this machine", d.port)})
	}
}

// keeping are the files of a project that keeps its compose file.
func keeping(o apply.Options, f *foreign.File, a Adoption) ([]newFile, error) {
	p := foreign.Proposal{Vars: []foreign.Var{{Key: "ODPM_COMPOSE", Value: "keep", Why: "docker compose keeps using " + filepath.Base(f.Files[0]) + " as it is"}}}
	if named, err := namedFiles(o); err != nil {
		return nil, err
	} else if !slices.Contains(named, a.File) && (!slices.Contains(cli.DefaultFileNames, filepath.Base(a.File)) || f.Dir != o.Dir) {
		p.Vars = append(p.Vars, foreign.Var{Key: "COMPOSE_FILE", Value: a.File})
	}
	for _, v := range []struct{ key, value string }{{"POSTGRES_SERVICE_NAME", a.Postgres}, {"ODOO_SERVICE_NAME", a.Odoo}} {
		if v.value != "" {
			p.Vars = append(p.Vars, foreign.Var{Key: v.key, Value: v.value})
		}
	}
	if v := f.Labels(); v != nil {
		p.Vars = append(p.Vars, *v)
	}
	existing, err := read(o.Dir, ".env")
	if err != nil {
		return nil, err
	}
	content, differing, err := p.EnvFile(existing)
	if err != nil {
		return nil, err
	}
	if len(differing) > 0 {
		return nil, &ui.Refusal{Code: codes.SettingsConflict, What: ".env has a different value for " + strings.Join(differing, ", ") + ". Nothing was written.", Ways: []string{"correct it, then: " + again(a, "")}}
	}
	return []newFile{{name: ".env", content: string(content), mode: 0o600, extends: true},
		{name: "odpm.json", content: string(f.Propose(foreign.Place{Dir: o.Dir, Copying: true}).Manifest), mode: 0o644}}, nil
}

// over is the file that is written, nil for one that stays.
func (f newFile) over(dir string) (*plan.File, os.FileMode, error) {
	path := filepath.Join(dir, f.name)
	old, err := read(dir, f.name)
	switch {
	case err != nil:
		return nil, 0, err
	case old != nil && !f.extends && !f.merged, bytes.Equal(old, []byte(f.content)):
		return nil, 0, nil
	}
	mode := f.mode
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	return &plan.File{Path: path, Old: old, New: []byte(f.content)}, mode, nil
}
