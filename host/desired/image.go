package desired

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/odpm/odpm/host/compose"
	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/inputs"
	"github.com/odpm/odpm/host/world"
	"github.com/odpm/odpm/shared/odooconf"
)

// Image is which image Odoo runs from, and how the checker gets in front.
type Image struct {
	// Ref is the image that compose names.
	Ref string
	// Entrypoint and Command are set where the image carries the checker without
	// starting it.
	Entrypoint, Command []string
	// Build: Ref is made by odpm of ODOO_IMAGE and the checker, by this
	// Dockerfile.
	Build      bool
	Dockerfile string
	// Present: Ref is on this machine and up to date.
	Present bool
	// BaseKnown: ODOO_IMAGE is on this machine.
	BaseKnown bool
	// Reason is shown in the plan.
	Reason string
	// Checker is the binary on this machine, "" where none is needed.
	Checker string
	// InImage is where the checker lies in the image.
	InImage string
	// Problem is why it cannot be built; it stops a run, not a plan.
	Problem error
	// Beside is what Odoo runs as where a program that the checker cannot see
	// through starts it: the checker then proves the login beside it.
	Beside []string
	// Ignores is the script of the image's own that stands in front of Odoo and reads
	// none of its arguments, "" for none.
	Ignores string
	// Unused are images of earlier runs that no container was made of.
	Unused []string
}

var (
	// OfficialEntrypoint is the official image's.
	OfficialEntrypoint = []string{"/entrypoint.sh"}
	officialCmd        = []string{"odoo"}
)

// ImageOf is what Odoo runs from in a project that odpm writes the compose file of.
func ImageOf(in *inputs.Inputs, w *world.World) Image {
	conf := in.Project.OdooConf
	if conf == nil {
		conf = &odooconf.File{}
	}
	return image(in, w, conf)
}

// image decides. Where Docker was not asked, or the image is not there yet, the
// official image's shape is assumed.
func image(in *inputs.Inputs, w *world.World, conf *odooconf.File) Image {
	p := in.Project
	official := engine.Image{Entrypoint: OfficialEntrypoint, Cmd: officialCmd, ImageFiles: engine.ImageFiles{AppendsLogin: true}}
	if w.OdooHere {
		// The document is written for a later `docker compose` anyway.
		im := Image{Ref: p.OdooImage, Reason: "PostgreSQL and Odoo run without containers",
			Checker: w.Checker.Path, Problem: w.Checker.Err, Command: command(conf, official)}
		if p.External {
			im.Reason = "Odoo runs without a container"
		}
		if im.Problem == nil {
			im.Ref = builtTag(p.Name, w.Checker.Digest, dockerfile(p.OdooImage, OfficialEntrypoint, officialCmd))
		}
		return im
	}
	if in.Kept != nil {
		return keptImage(in, w)
	}
	base, known := official, w.OdooImage != nil
	if known {
		base = *w.OdooImage
	}
	if known && base.Checker != "" {
		im := Image{Ref: p.OdooImage, Present: true, BaseKnown: true, InImage: base.Checker,
			Reason: p.OdooImage + " already contains the checker", Command: command(conf, base), Unused: unused(w, ""), Ignores: ignores(base)}
		if !slices.ContainsFunc(base.Entrypoint, func(word string) bool { return filepath.Base(word) == "odpm-checker" }) {
			im.Entrypoint = append([]string{base.Checker, "--"}, base.Entrypoint...)
		}
		return im
	}
	im := Image{Build: true, InImage: compose.CheckerInImage, BaseKnown: known, Checker: w.Checker.Path, Problem: w.Checker.Err}
	if im.Problem != nil {
		im.Ref, im.Reason = p.OdooImage, "odpm-checker is missing and cannot be put into "+p.OdooImage
		return im
	}
	cmd := base.Cmd
	if len(cmd) == 0 && !optionsAlone(base) {
		cmd = officialCmd
	}
	text := dockerfile(p.OdooImage, base.Entrypoint, cmd)
	im.Ref = builtTag(p.Name, w.Checker.Digest, text)
	im.Dockerfile = text + fmt.Sprintf("LABEL %s=%s\n", engine.LabelBase, jsonString(base.ID))
	im.Reason = "odpm-checker in front of " + p.OdooImage
	if w.Stack && !known {
		im.Reason += ", which is pulled first"
	}
	im.Command, im.Ignores = command(conf, base), ignores(base)
	i := slices.IndexFunc(w.Built, func(b engine.BuiltImage) bool { return b.Ref == im.Ref })
	im.Present = i >= 0 && (!known || w.Built[i].Base == base.ID)
	if i >= 0 && !im.Present {
		im.Reason = p.OdooImage + " is a newer image than the one built from"
	}
	im.Unused = unused(w, im.Ref)
	return im
}

func ignores(base engine.Image) string {
	if does := base.Does; does.IgnoresArguments && (does.ByName || does.ByPath != "") {
		return base.Script
	}
	return ""
}

// unused are images that odpm built and no container was made of.
func unused(w *world.World, keep string) []string {
	var out []string
	for _, b := range w.Built {
		if b.Ref != keep && len(b.Users) == 0 {
			out = append(out, b.Ref)
		}
	}
	slices.Sort(out)
	return out
}

// dockerfile puts the checker in front of the base image's own entrypoint and
// restates its command, which Docker drops where an entrypoint is set.
func dockerfile(base string, entrypoint, cmd []string) string {
	return fmt.Sprintf(`# Written by odpm: %s with odpm-checker in front of its own entrypoint.
FROM %s
COPY odpm-checker %s
ENTRYPOINT %s
CMD %s
`, base, base, compose.CheckerInImage, jsonArray(append([]string{compose.CheckerInImage, "--"}, entrypoint...)), jsonArray(cmd))
}

func jsonArray(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = jsonString(w)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// jsonString and not %q: Go's \a, \x1b and \U0001f600 are not JSON, and the
// builder would take the line for a shell's.
func jsonString(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string
	return strings.TrimSuffix(b.String(), "\n")
}

// builtTag names the built image by what goes into it, so that another checker
// or base makes another image and compose recreates the container.
func builtTag(project, checkerDigest, text string) string {
	h := sha256.New()
	io.WriteString(h, text)
	io.WriteString(h, checkerDigest)
	return world.BuiltRepository(project) + ":" + hex.EncodeToString(h.Sum(nil))[:12]
}

// optionsAlone: the image's own entrypoint names Odoo, and no command stands
// behind it; what is given is options.
func optionsAlone(base engine.Image) bool {
	return len(base.Cmd) == 0 && len(base.Entrypoint) > 0 && !base.AppendsLogin
}

// command is what compose gives the entrypoint to start, nil for "odoo". The
// official entrypoint puts the password into the process's arguments. Up to
// spring 2026 it also cuts values out of odoo.conf at their first space
// (odoo/docker#334), and it ends at a password with one in every form. Odoo by
// its path is executed as it stands, and reads odoo.conf itself.
func command(conf *odooconf.File, base engine.Image) []string {
	if optionsAlone(base) {
		return []string{}
	}
	if len(base.Cmd) > 0 && base.Cmd[0] != "odoo" {
		return base.Cmd
	}
	if !base.AppendsLogin || !slices.Equal(base.Cmd, officialCmd) {
		return nil
	}
	for _, key := range []string{"db_host", "db_user"} {
		// The entrypoint has defaults for these, which Odoo has not.
		if _, ok := conf.Value(key, 0); !ok {
			return nil
		}
	}
	return []string{engine.OdooProgram}
}
