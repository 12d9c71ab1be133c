package plan

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/state"
	"github.com/odpm/odpm/shared/durable"
)

// imageWish is which image Odoo runs from, and how the checker gets in front.
type imageWish struct {
	// ref is the image that compose names.
	ref string
	// entrypoint and command are set where the image carries the checker
	// without starting it.
	entrypoint, command []string
	// build: ref is made by odpm of ODOO_IMAGE and the checker.
	build bool
	// present: ref is on this machine and up to date.
	present bool
	// baseKnown: ODOO_IMAGE is on this machine.
	baseKnown bool
	// reason is shown in the plan.
	reason string
	// checker is the binary on this machine, "" where none is needed.
	checker string
	// inImage is where the checker lies in the image.
	inImage string
	// problem is why it cannot be built; it stops a run, not a plan.
	problem error
}

// checkerInImage is where a build of ours puts the binary.
const checkerInImage = "/usr/local/bin/odpm-checker"

// dockerfile puts the checker in front of the base image's own entrypoint and
// restates its command, which Docker drops where an entrypoint is set.
func dockerfile(base string, entrypoint, cmd []string) string {
	return fmt.Sprintf(`# Written by odpm: %s with odpm-checker in front of its own entrypoint.
FROM %s
COPY odpm-checker %s
ENTRYPOINT %s
CMD %s
`, base, base, checkerInImage, jsonArray(append([]string{checkerInImage, "--"}, entrypoint...)), jsonArray(cmd))
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

// wishImage decides about the image. Where Docker was not asked, the official
// image's shape is assumed.
func (s *Session) wishImage(ctx context.Context, w *desired) error {
	p := s.Project
	if s.EngineKind == nativeEngine {
		// The document is written for a later `docker compose` all the same.
		w.image = imageWish{ref: p.OdooImage, reason: "PostgreSQL and Odoo run without containers"}
		w.image.checker, w.image.problem = FindChecker(p.Env, runtime.GOOS)
		w.image.command = odooCommand(w, engine.Image{Cmd: officialCmd, AppendsLogin: true})
		if w.image.problem == nil {
			w.image.ref = s.builtTag(w.image.checker, dockerfile(p.OdooImage, officialEntrypoint, officialCmd))
		}
		return nil
	}
	if s.kept != nil {
		w.image = imageWish{ref: p.OdooImage, reason: "ODPM_COMPOSE=keep: the compose file's own image is used"}
		return nil
	}
	base := engine.Image{Entrypoint: officialEntrypoint, Cmd: officialCmd, AppendsLogin: true}
	known := false
	if s.Stack != nil {
		img, err := s.Stack.Image(ctx, p.OdooImage)
		switch {
		case err == nil:
			base, known = img, true
		case errors.Is(err, engine.ErrNoImage):
		case ctx.Err() != nil:
			return ctx.Err()
		default:
			return err
		}
	}
	if known && base.Checker != "" {
		w.image = imageWish{ref: p.OdooImage, present: true, inImage: base.Checker, reason: p.OdooImage + " carries the checker already"}
		if !slices.ContainsFunc(base.Entrypoint, func(word string) bool { return filepath.Base(word) == "odpm-checker" }) {
			w.image.entrypoint = append([]string{base.Checker, "--"}, base.Entrypoint...)
		}
		w.image.command = odooCommand(w, base)
		return nil
	}
	w.image = imageWish{build: true, inImage: checkerInImage, baseKnown: known}
	if w.image.checker, w.image.problem = FindChecker(p.Env, "linux"); w.image.problem != nil {
		w.image.ref, w.image.reason = p.OdooImage, "odpm-checker is not there to be put into "+p.OdooImage
		return nil
	}
	entry, cmd := base.Entrypoint, base.Cmd
	if len(cmd) == 0 {
		cmd = officialCmd
	}
	text := dockerfile(p.OdooImage, entry, cmd)
	w.image.ref = s.builtTag(w.image.checker, text)
	w.image.reason = "odpm-checker in front of " + p.OdooImage
	if s.Stack != nil && !known {
		w.image.reason += ", which is pulled first"
	}
	w.image.command = odooCommand(w, base)
	if s.Stack != nil {
		built, err := s.Stack.Image(ctx, w.image.ref)
		if err != nil && !errors.Is(err, engine.ErrNoImage) {
			return err
		}
		w.image.present = err == nil && (!known || built.Labels[engine.LabelBase] == base.ID)
		if err == nil && !w.image.present {
			w.image.reason = p.OdooImage + " is a newer image than the one built from"
		}
	}
	return nil
}

// odooCommand is what compose gives the entrypoint to start, nil for "odoo".
// The official entrypoint puts the password into the process's arguments. Up to
// spring 2026 it also cuts values out of odoo.conf at their first space
// (odoo/docker#334), and it ends at a password with one in every form. Odoo by
// its path is executed as it stands, and reads odoo.conf itself.
func odooCommand(w *desired, base engine.Image) []string {
	if len(base.Cmd) > 0 && base.Cmd[0] != "odoo" {
		return base.Cmd
	}
	if !base.AppendsLogin || !slices.Equal(base.Cmd, officialCmd) {
		return nil
	}
	for _, key := range []string{"db_host", "db_user"} {
		// The entrypoint has defaults for these, which Odoo has not.
		if _, ok := w.parsed.Value(key, 0); !ok {
			return nil
		}
	}
	return []string{engine.OdooProgram}
}

var (
	officialEntrypoint = []string{"/entrypoint.sh"}
	officialCmd        = []string{"odoo"}
)

// builtTag names the built image by what goes into it, so that another
// checker or base makes another image and compose recreates the container.
func (s *Session) builtTag(checker, text string) string {
	h := sha256.New()
	io.WriteString(h, text)
	if f, err := os.Open(checker); err == nil {
		io.Copy(h, f)
		f.Close()
	}
	return "odpm/" + s.Project.Name + "-odoo:" + hex.EncodeToString(h.Sum(nil))[:12]
}

// pullOdoo gets ODOO_IMAGE where it is not on this machine; with --skip-start
// that it is not there is engine.ErrNoImage.
func (s *Session) pullOdoo(ctx context.Context) error {
	image := s.Project.OdooImage
	_, err := s.Stack.Image(ctx, image)
	if !errors.Is(err, engine.ErrNoImage) || s.SkipStart {
		return err
	}
	s.Term.Step("pulling %s", image)
	if err = s.Stack.Pull(ctx, image); err != nil {
		return fmt.Errorf("the Odoo image %s cannot be had: %w", image, err)
	}
	return nil
}

// buildImage prepares .odpm/image and builds.
func (s *Session) buildImage(ctx context.Context) error {
	w := &s.want.image
	base, err := s.Stack.Image(ctx, s.Project.OdooImage)
	if err != nil {
		return err
	}
	if base.Checker != "" || !slices.Equal(base.Entrypoint, officialEntrypoint) || !slices.Equal(base.Cmd, officialCmd) ||
		!base.AppendsLogin {
		// What was assumed without the image may be wrong now that it is here.
		again := *s.want
		if err := s.wishImage(ctx, &again); err != nil {
			return err
		}
		*w = again.image
		if !w.build {
			return nil
		}
	}
	dir := s.Dirs.Image()
	if err := state.EnsureDir(dir, 0o755); err != nil {
		return err
	}
	binary, err := os.ReadFile(w.checker)
	if err != nil {
		return err
	}
	cmd := base.Cmd
	if len(cmd) == 0 {
		cmd = officialCmd
	}
	text := dockerfile(s.Project.OdooImage, base.Entrypoint, cmd) + fmt.Sprintf("LABEL %s=%s\n", engine.LabelBase, jsonString(base.ID))
	if err := durable.WriteFile(filepath.Join(dir, "odpm-checker"), binary, 0o755); err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o644); err != nil {
		return err
	}
	return s.Stack.Build(ctx, engine.Build{Dir: dir, Tag: w.ref})
}
