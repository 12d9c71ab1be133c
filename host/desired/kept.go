package desired

import (
	"path"
	"slices"
	"strings"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/compose/foreign"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engines"
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/host/world"
	"github.com/odpm/odpm/shared/entrypoint"
)

// keptImage: the person's own image runs, and the checker comes with a mount.
func keptImage(in *inputs.Inputs, w *world.World) Image {
	p := in.Project
	im := Image{Ref: p.OdooImage, Present: w.OdooImage != nil, BaseKnown: w.OdooImage != nil,
		Checker: w.Checker.Path, Problem: w.Checker.Err}
	base := engine.Image{Entrypoint: OfficialEntrypoint, Cmd: officialCmd}
	if im.Present {
		base = *w.OdooImage
	}
	entry, cmd := in.KeptCommand(p.OdooServiceName, base.Entrypoint, base.Cmd)
	im.Entrypoint, im.Command = entry, cmd
	if slices.ContainsFunc(slices.Concat(entry, cmd), isChecker) {
		im.Reason, im.InImage, im.Problem = p.OdooServiceName+" has the checker in front already", base.Checker, nil
		return im
	}
	if slices.Contains(entry, base.Script) {
		im.Ignores = ignores(base)
	}
	im.InImage = compose.CheckerMounted(w.Checker.Digest)
	if im.Beside = beside(slices.Concat(entry, cmd), base, im.Present); im.Beside != nil {
		im.Reason = "the checker is mounted into service " + p.OdooServiceName + "; " + entryName(slices.Concat(entry, cmd)) + " starts Odoo in its own way, so the login is proven beside it"
		return im
	}
	im.Reason = "the checker is mounted into service " + p.OdooServiceName + ", in front of " + entryName(slices.Concat(entry, cmd))
	return im
}

// Front is what an image starts, nil for one that is not known.
func Front(image *engine.Image) foreign.Front {
	if image == nil {
		return foreign.Front{}
	}
	return foreign.Front{Entrypoint: image.Entrypoint, Command: image.Cmd, Script: image.Script, HandsOn: image.AppendsLogin || image.Does.HandsOn}
}

func isChecker(word string) bool { return strings.HasPrefix(path.Base(word), "odpm-checker") }

func entryName(argv []string) string {
	if len(argv) == 0 {
		return "its program"
	}
	return argv[0]
}

// wrappers start what follows them as it is.
var wrappers = []string{"tini", "dumb-init", "catatonit", "env", "gosu", "su-exec", "setpriv", "nice"}

// beside is Odoo's own command line where a program stands before it that makes
// odoo.conf and executes it by its path, as Python odpm's run_odoo does: in front
// of that the checker would look for an odoo.conf that is not there yet. A shell
// script is none: the checker sees through it.
func beside(argv []string, base engine.Image, known bool) []string {
	odoo := slices.IndexFunc(argv, func(w string) bool {
		// A shell's line may end in a path such as /var/lib/odoo.
		return !strings.ContainsAny(w, " \t\n") && slices.Contains(entrypoint.Programs, path.Base(w))
	})
	if odoo < 1 {
		return nil
	}
	program := argv[odoo:]
	for i, word := range argv[:odoo] {
		name := path.Base(word)
		switch {
		case strings.HasPrefix(word, "-"), slices.Contains(wrappers, name), i > 0 && slices.Contains(wrappers, path.Base(argv[i-1])):
			continue
		case word == base.Script && base.Does.HandsOn && i < odoo-1:
			continue // as the official image's, which executes what it is given
		case strings.HasPrefix(name, "python") && i == odoo-1:
			return nil // Odoo itself, by its interpreter
		case strings.HasPrefix(name, "python"):
			// It starts odoo-bin with an interpreter too, which may be no executable.
			program = slices.Concat([]string{word}, argv[odoo:])
		case known && slices.Contains(base.Entrypoint, word) && base.Script == "":
		default:
			return nil
		}
		if argv[odoo-1] == "-m" {
			return nil
		}
		return slices.Clone(program)
	}
	return nil
}

// overlay is what odpm lays over a kept file, so that the checker stands in front
// of its Odoo.
func (d *Desired) overlay(in *inputs.Inputs, w *world.World) (err error) {
	d.Spec = compose.Spec{Project: *in.Project, Command: d.Image.Command, HandoffID: d.Handoff.ID}
	if w.Kind == engines.Native || d.Image.Problem != nil {
		return nil
	}
	o := compose.Overlay{Dir: in.StackDir(), Project: in.Project.Dir, SELinux: in.Project.SELinux, HandoffID: d.Handoff.ID}
	for _, name := range in.Kept.OdooServices() {
		s := compose.Overlaid{Service: name, Records: name == in.Project.OdooServiceName}
		if d.Image.Beside == nil && isCheckerMounted(d.Image.InImage) {
			entry, cmd := d.Image.Entrypoint, d.Image.Command
			if !s.Records {
				entry, cmd = otherCommand(in, w, name)
				if slices.ContainsFunc(slices.Concat(entry, cmd), isChecker) {
					continue
				}
			}
			s.Entrypoint, s.Command = append([]string{d.Image.InImage, "--"}, entry...), cmd
		} else if !s.Records {
			continue
		}
		if s.Records && w.UID != 0 {
			// Their Odoo keeps its user, who cannot write to what is the person's.
			_, s.Group, _ = strings.Cut(w.Person(), ":")
		}
		o.Services = append(o.Services, s)
	}
	d.Compose, err = o.Build()
	d.Judge = d.Compose
	return err
}

func isCheckerMounted(at string) bool { return strings.HasPrefix(at, "/run/odpm/") }

func otherCommand(in *inputs.Inputs, w *world.World, service string) (entry, cmd []string) {
	base := engine.Image{Entrypoint: OfficialEntrypoint, Cmd: officialCmd}
	if w.OdooImage != nil {
		base = *w.OdooImage
	}
	return in.KeptCommand(service, base.Entrypoint, base.Cmd)
}
