package setup

import (
	"cmp"
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
	"github.com/odpm/odpm/host/compose/foreign"
	"github.com/odpm/odpm/host/desired"
	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/host/plan"
	"github.com/odpm/odpm/host/project"
	"github.com/odpm/odpm/host/project/tag"
	"github.com/odpm/odpm/host/ui"
	"github.com/odpm/odpm/shared/shell"
)

// What a takeover asks: only what has two right answers, or none that can be read.

// choose asks which service is meant where several could be. What is answered is
// in a then, as if it had been typed.
func choose(o apply.Options, f *foreign.File, a *Adoption) error {
	for _, c := range []struct {
		what, flag string
		said       *string
		decided    bool
		candidates []string
	}{{"PostgreSQL", "--postgres-service", &a.Postgres, f.Postgres != nil, f.PostgresCandidates}, {"Odoo", "--odoo-service", &a.Odoo, f.Odoo != nil, f.OdooCandidates}} {
		if c.decided || len(c.candidates) < 2 {
			continue
		}
		if a.Yes || !o.Term.Interactive {
			r := &ui.Refusal{Code: codes.TakeoverData, What: fmt.Sprintf("Several services of %s could be %s. Nothing was written.", a.File, c.what)}
			for _, name := range c.candidates {
				r.Ways = append(r.Ways, again(*a, c.flag+" "+name))
			}
			return r
		}
		i, err := o.Term.Choose(fmt.Sprintf("Several services of %s could be %s. Which is it?", ui.Clean(a.File), c.what), c.candidates)
		if err != nil {
			return err
		}
		if i < 0 {
			return &ui.Refusal{Code: codes.Declined, What: "The stack was not taken over. Nothing was written."}
		}
		*c.said = c.candidates[i]
		if err := f.Use(a.Postgres, a.Odoo); err != nil {
			return err
		}
	}
	return nil
}

// several: odpm writes docker-compose.yml, and docker compose would keep using what
// COMPOSE_FILE names.
func several(a Adoption, named []string) error {
	r := &ui.Refusal{Code: codes.TakeoverData, What: fmt.Sprintf("COMPOSE_FILE says %s, which docker compose would keep reading instead of odpm's own file. Nothing was written.", strings.Join(named, " and "))}
	keep := a
	keep.Keep = true
	r.Ways = append(r.Ways, again(keep, "")+"        keeps the files as they are")
	if len(named) == 1 {
		r.Ways = append(r.Ways, "or take COMPOSE_FILE out of .env, then: "+again(a, "")+"        odpm's own file in its place")
	}
	return r
}

// inLayer: the checker in front makes Odoo's container anew.
func inLayer(a Adoption, f *foreign.File, container string) error {
	replace := a
	replace.Keep = false
	return &ui.Refusal{Code: codes.TakeoverData, What: fmt.Sprintf("Odoo's data (the file store) is inside the container %s itself, at %s. Putting the checker in front of Odoo recreates that container, so it would be lost. Nothing was written.", container, f.Odoo.DataTarget),
		Ways: []string{
			fmt.Sprintf("mkdir -p data && docker cp -a %s:%s data/odoo        then mount ./data/odoo at %[2]s in %[3]s, and run the same command again", container, f.Odoo.DataTarget, shell.Quote(a.File)),
			again(replace, "") + "        odpm's own file in its place, and copies it",
		}}
}

// idles: where nothing starts Odoo, nothing can be in front of it.
func idles(ctx context.Context, a Adoption, f *foreign.File) error {
	s := f.Doc.Services[f.Odoo.Service]
	line, idle := foreign.Idles(s, front(ctx, f.OdooImage()))
	if !idle {
		return nil
	}
	replace := a
	replace.Keep = false
	return &ui.Refusal{Code: codes.TakeoverData, What: fmt.Sprintf("Service %s runs %s, which starts no Odoo, so with --keep no login could be proven. Nothing was written.", s.Name, ui.Clean(strings.Join(line, " "))),
		Ways: []string{again(replace, "") + "        odpm's own file in its place, which starts Odoo"}}
}

// front is what an image starts, as far as this machine knows.
func front(ctx context.Context, image string) foreign.Front {
	stack := engines.Engine(ctx)
	if stack == nil || image == "" {
		return foreign.Front{}
	}
	known, err := stack.Image(ctx, image)
	if err != nil {
		return foreign.Front{}
	}
	return desired.Front(&known)
}

// takenOut: the file has a place for Odoo's data by now, and there is something in it.
func takenOut(f *foreign.File, place foreign.Place) bool {
	if f.Odoo.DataVolume != "" {
		return place.Volumes[f.Odoo.DataVolume]
	}
	entries, err := os.ReadDir(f.Odoo.DataDir)
	return f.Odoo.DataDir != "" && (len(entries) > 0 || errors.Is(err, fs.ErrPermission))
}

// again is the same command with something more.
func again(a Adoption, more string) string {
	words := []string{"odpm", "adopt", shell.Quote(a.File)}
	for _, f := range []struct{ flag, value string }{{"--postgres-service", a.Postgres}, {"--odoo-service", a.Odoo}, {"--odoo-version", a.Version}, {"--postgres-version", a.PostgresVersion}} {
		if f.value != "" {
			words = append(words, f.flag, shell.Quote(f.value))
		}
	}
	for _, f := range []struct {
		flag string
		set  bool
	}{{"--external", a.External}, {"--keep", a.Keep}, {"--yes", a.Yes}} {
		if f.set {
			words = append(words, f.flag)
		}
	}
	if more != "" {
		words = append(words, more)
	}
	return strings.Join(words, " ")
}

// odooVersion is what a person says, else what the official image's environment
// does.
func odooVersion(ctx context.Context, image, said string) string {
	if said == "" && image != "" {
		said = engines.ImageEnv(ctx, image)["ODOO_VERSION"]
	}
	if said != "" && !strings.Contains(said, ".") {
		said += ".0"
	}
	return said
}

// postgresVersion: an image like postgres:latest says its major once it is on this
// machine, and otherwise a person does.
func postgresVersion(o apply.Options, f *foreign.File, a Adoption) error {
	if f.Postgres == nil || a.External || f.Postgres.Major != 0 {
		return nil
	}
	said := a.PostgresVersion
	if p, err := project.Load(o.Dir, o.Environ, o.Home); said == "" && err == nil {
		said = p.PostgresVersion
	}
	major := tag.Major(said)
	switch {
	case major != 0:
		return f.KnowMajor(major)
	case said != "":
		return ui.Usagef("--postgres-version %s: expected a major of PostgreSQL, such as 17", said)
	}
	r := &ui.Refusal{Code: codes.TakeoverData, What: fmt.Sprintf("The image %s of service %s names no PostgreSQL major, and it is not on this machine. Nothing was written.", f.ImageOf(f.Postgres.Service), f.Postgres.Service)}
	if image := f.Postgres.Image; image != "" {
		r.Ways = append(r.Ways, "docker pull "+shell.Quote(image)+"        then the same command: odpm reads it from the image")
	}
	r.Ways = append(r.Ways, again(a, "--postgres-version 17")+"        or the major that the data was made with")
	return r
}

// keeps refuses to replace a file that a setting keeps: odpm would keep using the old
// one, beside an override that is meant for its own.
func keeps(o apply.Options, a Adoption) error {
	env, err := project.Environment(o.Dir, o.Home, o.Environ)
	if err != nil || a.Keep || !strings.EqualFold(env["ODPM_COMPOSE"], "keep") {
		return err
	}
	a.Keep = true
	return &ui.Refusal{Code: codes.SettingsConflict, What: fmt.Sprintf("ODPM_COMPOSE=keep keeps %s, and odpm adopt without --keep puts odpm's own file in its place. Nothing was written.", a.File),
		Details: []string{"to have odpm's own file, take ODPM_COMPOSE=keep out of .env first"},
		Ways:    []string{again(a, "") + "        keeps it, with an overlay of odpm's"}}
}

// refusedLater is what the first run of the proposed project would refuse for its files
// alone: an override that is there already, the server that odoo.conf names. It is
// asked while their stack still runs.
func refusedLater(ctx context.Context, o apply.Options, a Adoption, next proposal) error {
	override, conf := overrideName(o.Dir), filepath.Base(next.project.OdooConfPath)
	text := map[string][]byte{}
	for _, name := range []string{override, conf} {
		was, err := read(o.Dir, name)
		if err != nil {
			return err
		}
		text[name] = was
	}
	for _, f := range next.files {
		if f.merged || text[f.name] == nil {
			text[f.name] = []byte(f.content)
		}
	}
	err := plan.Written(inputs.Proposed(ctx, next.project, override, text[override]), text[conf], "Nothing was written or stopped.")
	var r *ui.Refusal
	if !errors.As(err, &r) {
		return err
	}
	out := *r
	switch r.Code {
	case codes.DBHostElsewhere:
		out.Ways = []string{again(a, "--external") + "        if that server is the one Odoo must use; odpm then runs no PostgreSQL of its own",
			fmt.Sprintf("db_host = %s in %s        if the PostgreSQL of this stack is meant; then: %s", next.project.ServiceName, filepath.Clean(cmp.Or(next.conf, conf)), again(a, ""))}
	case codes.SettingsConflict:
		keep := a
		keep.Keep = true
		out.Ways = append(slices.Clone(r.Ways), "or "+again(keep, "")+"        keeps the files as they are")
	default:
		out.Ways = append(slices.Clone(r.Ways), "then: "+again(a, ""))
	}
	return &out
}
