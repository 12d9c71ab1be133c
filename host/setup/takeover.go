package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/odpm/odpm/host/apply"
	"github.com/odpm/odpm/host/codes"
	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/compose/foreign"
	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/host/world"
	"github.com/odpm/odpm/shared/shell"
)

// proposed reads somebody's compose file and proposes files with which the
// same data, ports, names and login go on.
func proposed(ctx context.Context, o apply.Options, file string) ([]newFile, []string, error) {
	project.LearnFile(o.Term.Secrets, file)
	f, place, err := readForeign(ctx, o, file)
	if err != nil {
		return nil, nil, err
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		file = filepath.Join(file, filepath.Base(f.Files[0]))
	}
	next, err := proposedFor(ctx, o, file, f, place, func(*foreign.Proposal) {})
	return next.files, next.notes, err
}

// proposal is a project that takes the place of somebody's stack.
type proposal struct {
	files  []newFile
	notes  []string
	copies []foreign.Copy
	// project is what the files make, odooUser whom an override has Odoo run as.
	project  *project.Project
	odooUser string
	// conf is the odoo.conf of theirs, "" where it is the project's own.
	conf string
}

// proposedFor is the same for a file that was read. more adds to the settings.
func proposedFor(ctx context.Context, o apply.Options, file string, f *foreign.File, place foreign.Place, more func(*foreign.Proposal)) (proposal, error) {
	o.Term.Secrets.Add(f.Secrets()...)
	p := f.Propose(place)
	if p.Blocking() {
		return proposal{}, blocked(file, p.Problems, place)
	}
	more(&p)
	existing, err := read(o.Dir, ".env")
	if err != nil {
		return proposal{}, err
	}
	content, differing, err := p.EnvFile(existing)
	if err != nil {
		return proposal{}, err
	}
	files := []newFile{{name: ".env", content: string(content), mode: 0o600, extends: true},
		{name: "odpm.json", content: string(p.Manifest), mode: 0o644}}
	var after []string
	for _, v := range p.Vars {
		if slices.Contains(differing, v.Key) {
			after = append(after, fmt.Sprintf("note: .env already sets %s, to a different value than %s does (%s); odpm uses .env", v.Key, filepath.Base(file), v.Value))
		}
	}
	if p.Conf != nil {
		// Its mode is kept: it may hold passwords, and Odoo's user reads it.
		mode := os.FileMode(0o644)
		if info, err := os.Stat(filepath.Join(o.Dir, p.ConfPath)); p.ConfPath != "" && err == nil {
			mode = info.Mode().Perm()
		}
		files = append(files, newFile{name: "odoo.conf", content: string(p.Conf), mode: mode, merged: p.ConfEdited})
		if p.ConfPath != "" {
			after = append(after, "note: odoo.conf is a copy of "+p.ConfPath+", which odpm does not read")
		}
	}
	next, d, err := difference(ctx, o, f, files)
	if err != nil {
		return proposal{}, err
	}
	if refusal := blocked(file, d.Problems, place); len(refusal.Details) > 0 {
		return proposal{}, refusal
	}
	for _, x := range append(p.Problems, d.Problems...) {
		line := "note: " + x.Message
		if x.Way != "" {
			line += "; " + x.Way
		}
		after = append(after, line)
	}
	for _, line := range d.Otherwise {
		after = append(after, "another way: "+line)
	}
	if d.Override != nil {
		// It is meant for odpm's own file, and an entrypoint in it wants the checker in
		// Odoo's image.
		until := "odpm --replace-compose"
		if place.Copying {
			until = "odpm adopt"
		}
		if !place.Copying || o.Want.Goal < plan.Odoo {
			after = append(after, fmt.Sprintf("note: from now on docker compose reads %s together with %s. Until %s has run, start the old stack without it: docker compose -f %s up -d", overrideName(o.Dir), file, until, shell.Quote(file)))
		}
		files = append(files, newFile{name: overrideName(o.Dir), content: string(d.Override), mode: 0o600, merged: true})
	}
	return proposal{files, after, p.Copies, next, d.OdooUser, p.ConfPath}, nil
}

// readForeign reads the file with the settings that are in the directory
// already: which service is meant, whether the server is elsewhere.
func readForeign(ctx context.Context, o apply.Options, file string) (*foreign.File, foreign.Place, error) {
	place := foreign.Place{Dir: o.Dir, Owner: engines.Person(ctx)}
	// docker compose reads the .env where it is started, also for a file elsewhere.
	env, err := project.Environment(o.Dir, "", o.Environ)
	if err != nil {
		return nil, place, err
	}
	f, err := foreign.Read(ctx, file, env)
	if err != nil {
		return nil, place, err
	}
	if data, err := os.ReadFile(f.Files[0]); err == nil && compose.IsOurs(data) {
		return nil, place, ui.Usagef("%s was written by odpm; there is nothing to take over", f.Files[0])
	}
	values, err := project.Environment(o.Dir, o.Home, o.Environ)
	if err != nil {
		return nil, place, err
	}
	settings := project.Project{Env: values}
	postgres, odoo := settings.Setting("POSTGRES_SERVICE_NAME"), settings.Setting("ODOO_SERVICE_NAME")
	place.External = strings.EqualFold(values["ODPM_POSTGRES"], "external")
	if _, ok := f.Doc.Services[postgres]; !ok {
		postgres = ""
	}
	if _, ok := f.Doc.Services[odoo]; !ok {
		odoo = ""
	}
	if postgres != "" || odoo != "" {
		if err := f.Use(postgres, odoo); err != nil {
			return nil, place, err
		}
	}
	made := engines.Made(ctx, f.Name)
	if f.Postgres != nil {
		// The tag of a container's image may lead to another one by now.
		env := made[f.Postgres.Service].Env
		if env == nil {
			env = engines.ImageEnv(ctx, f.ImageOf(f.Postgres.Service))
		}
		if err := f.KnowImage(env); err != nil {
			return nil, place, err
		}
	}
	if f.Odoo != nil {
		if err := f.KnowOdooImage(engines.ImageEnv(ctx, f.OdooImage())); err != nil {
			return nil, place, err
		}
	}
	place.Made, place.Volumes, place.Data = world.Made(made), engines.Volumes(ctx), settings.Setting("POSTGRES_DATA_DIR")
	f.Volumes = place.Volumes
	return f, place, nil
}

// difference compares with what odpm would run once the proposed files are
// there.
func difference(ctx context.Context, o apply.Options, f *foreign.File, files []newFile) (*project.Project, foreign.Difference, error) {
	as := project.Files{}
	for _, x := range files {
		if _, err := os.Stat(filepath.Join(o.Dir, x.name)); err == nil && !x.extends && !x.merged {
			continue // what is there stays
		}
		as[x.name] = []byte(x.content)
	}
	p, err := project.LoadWith(o.Dir, o.Environ, o.Home, as)
	if err != nil && as["odpm.json"] != nil {
		// What the file does not say (an image that is built) is asked for once the
		// files are there; nothing that is compared depends on it.
		as["odpm.json"] = f.Complete(as["odpm.json"])
		p, err = project.LoadWith(o.Dir, o.Environ, o.Home, as)
	}
	if err != nil {
		return nil, foreign.Difference{}, err
	}
	name := overrideName(o.Dir)
	existing, err := read(o.Dir, name)
	if err != nil {
		return nil, foreign.Difference{}, err
	}
	var over []string
	if existing != nil {
		over = []string{filepath.Join(o.Dir, name)}
	}
	d, err := f.Difference(ctx, *p, over, existing)
	return p, d, err
}

// overrideName is the override that compose and odpm merge.
func overrideName(dir string) string {
	for _, name := range []string{compose.OverrideName, "docker-compose.override.yaml", "compose.override.yml", "compose.override.yaml"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return name
		}
	}
	return compose.OverrideName
}

func read(dir, name string) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// blocked is the refusal of a file that something is in the way of.
func blocked(file string, problems []foreign.Problem, place foreign.Place) *ui.Refusal {
	r := &ui.Refusal{Code: codes.TakeoverData, What: fmt.Sprintf("%s cannot be taken over yet: a new stack would not have the same data. Nothing was written.", file)}
	copied, again := !place.Copying, false
	for _, x := range problems {
		if !x.Blocking {
			continue
		}
		copied = copied && x.Code == "odoo_data"
		r.Details = append(r.Details, ui.Clean(x.Message))
		if x.Way != "" {
			r.Ways = append(r.Ways, ui.Clean(x.Way))
			again = again || !strings.HasPrefix(x.Way, "odpm adopt ")
		}
	}
	if copied {
		r.Ways = append(r.Ways, "odpm adopt "+shell.Quote(file)+"        does all of that, and the rest of the takeover")
	}
	if again {
		r.Ways = append(r.Ways, "then run the same command again")
	}
	return r
}
