package docker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/shared/entrypoint"
)

// LabelChecker says in an image where odpm-checker lies.
const LabelChecker = "io.github.odpm.checker"

// checkerPlaces are looked at where no label says it: what Dockerfile.checker
// makes, and what COPY --from of its binary stage suggests.
var checkerPlaces = []string{"/usr/local/bin/odpm-checker", "/odpm-checker"}

// contentCache holds what was found by image id: an image never changes.
type contentCache struct {
	mu sync.Mutex
	by map[string]engine.ImageFiles
}

type imageConfig struct {
	ID           string `json:"Id"`
	Architecture string
	Config       struct {
		User       string
		Entrypoint []string
		Cmd        []string
		Env        []string
		Labels     map[string]string
	}
}

// inspectImage gives ErrNoImage for an image that is not on this machine.
func (e *Reader) inspectImage(ctx context.Context, ref string) (imageConfig, error) {
	if ref == "" {
		return imageConfig{}, fmt.Errorf("%w: no image is named", engine.ErrNoImage)
	}
	var c imageConfig
	if err := e.cl.api.get(ctx, "image inspect", "/images/"+ref+"/json", nil, &c); err != nil {
		if noSuch(err) {
			return imageConfig{}, fmt.Errorf("%w on this machine: %s; get it: docker pull %s", engine.ErrNoImage, ref, ref)
		}
		return imageConfig{}, err
	}
	return c, nil
}

// ImageConf reads the configuration alone.
func (e *Reader) ImageConf(ctx context.Context, ref string) (engine.ImageConf, error) {
	c, err := e.inspectImage(ctx, ref)
	return engine.ImageConf{User: c.Config.User, Env: c.env()}, err
}

func (c imageConfig) env() map[string]string { return environment(c.Config.Env) }

// Built finds them by name; those that nobody uses are told apart by the
// containers that were made of them.
func (e *Reader) Built(ctx context.Context, repository string) ([]engine.BuiltImage, error) {
	var list []struct {
		ID       string `json:"Id"`
		RepoTags []string
		Labels   map[string]string
	}
	filters, err := json.Marshal(map[string][]string{"reference": {repository}})
	if err != nil {
		return nil, err
	}
	if err := e.cl.api.get(ctx, "images", "/images/json", url.Values{"filters": {string(filters)}}, &list); err != nil {
		return nil, err
	}
	var out []engine.BuiltImage
	for _, im := range list {
		base := im.Labels[engine.LabelBase]
		if base == "" {
			continue
		}
		users, err := e.cl.all(ctx, "ancestor="+im.ID)
		if err != nil {
			return nil, err
		}
		for _, tag := range im.RepoTags {
			ref := short(tag)
			if !strings.HasPrefix(ref, repository+":") {
				continue
			}
			b := engine.BuiltImage{Ref: ref, ID: im.ID, Base: base}
			for _, c := range users {
				if short(c.Config.Image) == ref {
					b.Users = append(b.Users, c.name())
				}
			}
			out = append(out, b)
		}
	}
	return out, nil
}

// short is an image's name as people write it. Podman gives the registry too, as
// in docker.io/odpm/acme-odoo:0123, where Docker leaves its own out.
func short(ref string) string {
	return strings.TrimPrefix(strings.TrimPrefix(ref, "docker.io/"), "localhost/")
}

// RemoveImage takes a name away.
func (e *Engine) RemoveImage(ctx context.Context, ref string) error {
	if _, err := e.cl.output(ctx, "rmi", ref); err != nil && !noSuch(err) {
		return fmt.Errorf("remove the image %s: %w", ref, err)
	}
	return nil
}

// present: the image is on this machine.
func (e *Reader) present(ctx context.Context, ref string) (bool, error) {
	_, err := e.inspectImage(ctx, ref)
	if errors.Is(err, engine.ErrNoImage) {
		return false, nil
	}
	return err == nil, err
}

// Pull gets an image.
func (e *Engine) Pull(ctx context.Context, ref string) error {
	if err := e.cl.stream(ctx, nil, "pull", "--quiet", ref); err != nil {
		if ctx.Err() != nil {
			return err
		}
		return &engine.PullError{Ref: ref, Err: err}
	}
	return nil
}

// Image says what an image is; nothing of it is run.
func (e *Reader) Image(ctx context.Context, ref string) (engine.Image, error) {
	c, err := e.inspectImage(ctx, ref)
	if err != nil {
		return engine.Image{}, err
	}
	img := engine.Image{ID: c.ID, Arch: c.Architecture, User: c.Config.User, Entrypoint: c.Config.Entrypoint, Cmd: c.Config.Cmd, Env: c.env(), Labels: c.Config.Labels}
	img.ImageFiles, err = e.content(ctx, c)
	return img, err
}

// odooConf is where the official image, and those after it, have their own.
const odooConf = "/etc/odoo/odoo.conf"

// content finds odpm-checker by label, by the entrypoint, or by looking, and
// reads the entrypoint's script.
func (e *Reader) content(ctx context.Context, c imageConfig) (engine.ImageFiles, error) {
	e.contents.mu.Lock()
	defer e.contents.mu.Unlock()
	if known, ok := e.contents.by[c.ID]; ok {
		return known, nil
	}
	if c.Config.Labels[engine.LabelBase] != "" && len(c.Config.Entrypoint) > 0 {
		// Made by odpm, which put it there.
		return engine.ImageFiles{Checker: c.Config.Entrypoint[0]}, nil
	}
	places := checkerPlaces
	if at := c.Config.Labels[LabelChecker]; path.IsAbs(at) {
		places = append([]string{at}, places...)
	}
	if ep := c.Config.Entrypoint; len(ep) > 0 && path.Base(ep[0]) == "odpm-checker" && path.IsAbs(ep[0]) {
		places = append([]string{ep[0]}, places...)
	}
	var found engine.ImageFiles
	err := e.inside(ctx, c.ID, func(files *files) error {
		for _, at := range places {
			mode, err := files.mode(at)
			if err == nil && mode.IsRegular() && mode&0o111 != 0 {
				found.Checker = at
				break
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		var err error
		found.Loaders = []string{}
		for _, at := range engine.Loaders {
			if _, err = files.mode(at); err == nil {
				found.Loaders = append(found.Loaders, at)
			} else if !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		if found.Conf, err = files.text(odooConf); err != nil {
			return err
		}
		if err := readScript(&found, files, c.Config.Entrypoint); err != nil || !found.Does.ByName || !found.Does.HandsOn || !found.Does.OptionsOfItsOwn || found.Does.Other != "" {
			return err
		}
		_, err = files.mode(engine.OdooProgram)
		found.AppendsLogin = err == nil
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return err
	})
	if err != nil {
		return engine.ImageFiles{}, err
	}
	if e.contents.by == nil {
		e.contents.by = map[string]engine.ImageFiles{}
	}
	e.contents.by[c.ID] = found
	return found, nil
}

// readScript finds the entrypoint's shell script and reads it.
func readScript(f *engine.ImageFiles, files *files, words []string) error {
	for _, word := range words {
		if !path.IsAbs(word) || path.Base(word) == "odpm-checker" {
			continue
		}
		text, err := files.text(word)
		if err != nil {
			return err
		}
		if entrypoint.IsShell(text) {
			f.Script, f.Does = word, entrypoint.Read(text)
			return nil
		}
	}
	return nil
}

// UserID resolves user, or where that is "" the one that an image's container
// runs as, from the image's own passwd, without running it.
func (e *Reader) UserID(ctx context.Context, ref, user string) (uid, gid int, err error) {
	if uid, gid, ok := numericUser(user); ok {
		return uid, gid, nil // also where the image is not here yet
	}
	c, err := e.inspectImage(ctx, ref)
	if err != nil {
		return 0, 0, err
	}
	return e.resolveUser(ctx, c.ID, cmp.Or(user, c.Config.User))
}

// errNoUser is a name that Docker would not find either.
var errNoUser = errors.New("the user is not in /etc/passwd of the image")

// numericUser is a user that says uid and gid itself.
func numericUser(user string) (uid, gid int, ok bool) {
	name, group, _ := strings.Cut(user, ":")
	uid, uidErr := strconv.Atoi(name)
	gid, gidErr := strconv.Atoi(group)
	return uid, gid, uidErr == nil && gidErr == nil
}

// resolveUser follows Docker's rules for "user", "uid", "user:group".
func (e *Reader) resolveUser(ctx context.Context, image, user string) (uid, gid int, err error) {
	if uid, gid, ok := numericUser(user); ok {
		return uid, gid, nil
	}
	name, group, hasGroup := strings.Cut(user, ":")
	if name == "" {
		name = "0"
	}
	uid, uidErr := strconv.Atoi(name)
	gid, gidErr := strconv.Atoi(group)
	var passwd, groups [][]string
	err = e.inside(ctx, image, func(files *files) error {
		var err error
		if passwd, err = files.colons("/etc/passwd"); err != nil || !hasGroup {
			return err
		}
		groups, err = files.colons("/etc/group")
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	entry := slices.IndexFunc(passwd, func(f []string) bool {
		return len(f) > 3 && (f[0] == name || uidErr == nil && f[2] == name)
	})
	if uidErr != nil {
		if entry < 0 {
			return 0, 0, fmt.Errorf("%w: %q; name one that is, or a uid", errNoUser, name)
		}
		if uid, err = strconv.Atoi(passwd[entry][2]); err != nil {
			return 0, 0, fmt.Errorf("the image's /etc/passwd: %w", err)
		}
	}
	switch {
	case hasGroup && gidErr != nil:
		i := slices.IndexFunc(groups, func(f []string) bool { return len(f) > 2 && f[0] == group })
		if i < 0 {
			return 0, 0, fmt.Errorf("the image's group %q is not in its /etc/group", group)
		}
		gid, err = strconv.Atoi(groups[i][2])
	case !hasGroup && entry >= 0:
		gid, err = strconv.Atoi(passwd[entry][3])
	}
	return uid, gid, err
}
