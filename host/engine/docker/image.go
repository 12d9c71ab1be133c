package docker

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/wording"
)

// LabelChecker says in an image where odpm-checker lies.
const LabelChecker = "io.github.odpm.checker"

// checkerPlaces are looked at where no label says it: what Dockerfile.checker
// makes, and what COPY --from of its binary stage suggests.
var checkerPlaces = []string{"/usr/local/bin/odpm-checker", "/odpm-checker"}

// contentCache holds what was found by image id: an image never changes.
type contentCache struct {
	mu sync.Mutex
	by map[string]content
}

// content is what only an image's files tell.
type content struct {
	checker      string
	appendsLogin bool
}

type imageConfig struct {
	ID     string `json:"Id"`
	Config struct {
		User       string
		Entrypoint []string
		Cmd        []string
		Env        []string
		Labels     map[string]string
	}
}

// inspectImage gives ErrNoImage for an image that is not on this machine.
func (e *Engine) inspectImage(ctx context.Context, ref string) (imageConfig, error) {
	if ref == "" {
		return imageConfig{}, fmt.Errorf("%w: no image is named", engine.ErrNoImage)
	}
	out, err := e.cl.output(ctx, "image", "inspect", ref)
	if err != nil {
		if noSuch(err) {
			return imageConfig{}, fmt.Errorf("%w on this machine: %s; get it: docker pull %s", engine.ErrNoImage, ref, ref)
		}
		return imageConfig{}, err
	}
	var list []imageConfig
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) == 0 {
		return imageConfig{}, fmt.Errorf("docker image inspect %s gives nothing that can be read: %v", ref, err)
	}
	return list[0], nil
}

// present: the image is on this machine.
func (e *Engine) present(ctx context.Context, ref string) (bool, error) {
	_, err := e.inspectImage(ctx, ref)
	if errors.Is(err, engine.ErrNoImage) {
		return false, nil
	}
	return err == nil, err
}

// Image says what an image is; nothing of it is run.
func (e *Engine) Image(ctx context.Context, ref string, pull bool) (engine.Image, error) {
	c, err := e.inspectImage(ctx, ref)
	if errors.Is(err, engine.ErrNoImage) && pull && ref != "" {
		if err := e.cl.stream(ctx, nil, "pull", "--quiet", ref); err != nil {
			if ctx.Err() != nil {
				return engine.Image{}, err
			}
			return engine.Image{}, fmt.Errorf("%w: %s is not on this machine and cannot be pulled: %w", engine.ErrNoImage, ref, err)
		}
		c, err = e.inspectImage(ctx, ref)
	}
	if err != nil {
		return engine.Image{}, err
	}
	img := engine.Image{ID: c.ID, User: c.Config.User, Entrypoint: c.Config.Entrypoint, Cmd: c.Config.Cmd, Env: map[string]string{}, Labels: c.Config.Labels}
	for _, kv := range c.Config.Env {
		k, v, _ := strings.Cut(kv, "=")
		img.Env[k] = v
	}
	found, err := e.content(ctx, c)
	img.Checker, img.AppendsLogin = found.checker, found.appendsLogin
	return img, err
}

// content finds odpm-checker by label, by the entrypoint, or by looking, and
// reads the entrypoint's script.
func (e *Engine) content(ctx context.Context, c imageConfig) (content, error) {
	e.contents.mu.Lock()
	defer e.contents.mu.Unlock()
	if known, ok := e.contents.by[c.ID]; ok {
		return known, nil
	}
	if c.Config.Labels[engine.LabelBase] != "" && len(c.Config.Entrypoint) > 0 {
		// Made by odpm, which put it there.
		return content{checker: c.Config.Entrypoint[0]}, nil
	}
	places := checkerPlaces
	if at := c.Config.Labels[LabelChecker]; path.IsAbs(at) {
		places = append([]string{at}, places...)
	}
	if ep := c.Config.Entrypoint; len(ep) > 0 && path.Base(ep[0]) == "odpm-checker" && path.IsAbs(ep[0]) {
		places = append([]string{ep[0]}, places...)
	}
	var found content
	err := e.inside(ctx, c.ID, func(files func(string) (io.ReadCloser, error)) error {
		for _, at := range places {
			r, err := files(at)
			if err != nil {
				if noSuchFile(err) {
					continue
				}
				return err
			}
			h, err := tar.NewReader(r).Next()
			r.Close()
			if err == nil && h.Typeflag == tar.TypeReg && h.Mode&0o111 != 0 {
				found.checker = at
				break
			}
		}
		if !slices.Contains(c.Config.Entrypoint, officialScript) {
			return nil
		}
		script, err := textFile(files, officialScript)
		if err != nil || !strings.Contains(script, "check_config") || !strings.Contains(script, "cut -d") {
			return err
		}
		r, err := files(engine.OdooProgram)
		if err == nil {
			r.Close()
			found.appendsLogin = true
		} else if noSuchFile(err) {
			err = nil
		}
		return err
	})
	if err != nil {
		return content{}, err
	}
	if e.contents.by == nil {
		e.contents.by = map[string]content{}
	}
	e.contents.by[c.ID] = found
	return found, nil
}

// officialScript is the official image's entrypoint.
const officialScript = "/entrypoint.sh"

// noSuchFile goes by the words of docker cp, which gives a code for everything.
func noSuchFile(err error) bool {
	s := strings.ToLower(err.Error())
	return strings.Contains(s, "could not find the file") || strings.Contains(s, "no such file") || strings.Contains(s, "not a directory") ||
		strings.Contains(s, "no such container:path") // the client up to 20.10, Debian 12's
}

// inside lets look at an image's files through a container that is made, never
// started, and removed. A file comes as a tar stream, links followed.
func (e *Engine) inside(ctx context.Context, image string, look func(files func(string) (io.ReadCloser, error)) error) error {
	// An image without a command cannot be created without one; it never runs.
	out, err := e.cl.output(ctx, "create", "--name", "odpm-look-"+token(), "--label", labelLook, "--network", "none", "--pull", "never", "--entrypoint", "/odpm-never-run", image, "x")
	if err != nil {
		return err
	}
	id := strings.TrimSpace(out)
	defer func() {
		ctx, cancel := detached(ctx, 20*time.Second)
		defer cancel()
		e.cl.output(ctx, "rm", "-f", "-v", id)
	}()
	return look(func(at string) (io.ReadCloser, error) {
		return e.cl.copyOut(ctx, id, at)
	})
}

// labelLook marks the containers that only lend their files.
const labelLook = "io.github.odpm.look"

// lookedLong is when such a container belongs to nobody any more.
const lookedLong = 10 * time.Minute

// sweep removes what a kill left of looking into images. They were never
// started and hold nothing; that they stay is no reason to fail.
func (e *Engine) sweep(ctx context.Context, label string, older time.Duration) {
	list, err := e.cl.list(ctx, "-a", "--filter", "label="+label, "--filter", "status=created")
	if err != nil {
		return
	}
	for _, c := range list {
		if made, err := time.Parse(time.RFC3339Nano, c.Created); err == nil && time.Since(made) > older {
			e.cl.output(ctx, "rm", "-v", c.ID)
		}
	}
}

// copyOut streams `docker cp`. That the file is missing is known only from its
// exit, so the first bytes are waited for.
func (c client) copyOut(ctx context.Context, id, at string) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	args := []string{"cp", "-L", id + ":" + at, "-"}
	cmd := c.command(ctx, args...)
	errs := &wording.Tail{Max: 4 << 10}
	cmd.Stderr = errs
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	first := make([]byte, 512)
	if _, err := io.ReadFull(out, first); err != nil {
		err = failure(ctx, args, cmd.Wait(), errs.String())
		cancel()
		if err == nil {
			err = fmt.Errorf("docker cp of %s gave nothing", at)
		}
		return nil, err
	}
	return &copied{Reader: io.MultiReader(strings.NewReader(string(first)), out), end: func() {
		cancel()
		cmd.Wait()
	}}, nil
}

type copied struct {
	io.Reader
	end func()
}

func (c *copied) Close() error {
	c.end()
	return nil
}

// UserID resolves the user that an image's container runs as from the image's
// own passwd, without running it.
func (e *Engine) UserID(ctx context.Context, ref string) (uid, gid int, err error) {
	c, err := e.inspectImage(ctx, ref)
	if err != nil {
		return 0, 0, err
	}
	return e.resolveUser(ctx, c.ID, c.Config.User)
}

// resolveUser follows Docker's rules for "user", "uid", "user:group".
func (e *Engine) resolveUser(ctx context.Context, image, user string) (uid, gid int, err error) {
	name, group, hasGroup := strings.Cut(user, ":")
	if name == "" {
		name = "0"
	}
	uid, uidErr := strconv.Atoi(name)
	gid, gidErr := strconv.Atoi(group)
	if uidErr == nil && hasGroup && gidErr == nil {
		return uid, gid, nil
	}
	var passwd, groups [][]string
	err = e.inside(ctx, image, func(files func(string) (io.ReadCloser, error)) error {
		var err error
		if passwd, err = colonFile(files, "/etc/passwd"); err != nil || !hasGroup {
			return err
		}
		groups, err = colonFile(files, "/etc/group")
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
			return 0, 0, fmt.Errorf("the image's user %q is not in its /etc/passwd", name)
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

// colonFile reads a file like passwd; a missing one is empty.
func colonFile(files func(string) (io.ReadCloser, error), at string) ([][]string, error) {
	text, err := textFile(files, at)
	if err != nil || text == "" {
		return nil, err
	}
	var out [][]string
	for _, l := range strings.Split(text, "\n") {
		out = append(out, strings.Split(l, ":"))
	}
	return out, nil
}

// textFile reads a small file; a missing one is empty.
func textFile(files func(string) (io.ReadCloser, error), at string) (string, error) {
	r, err := files(at)
	if err != nil {
		if noSuchFile(err) {
			return "", nil
		}
		return "", err
	}
	defer r.Close()
	t := tar.NewReader(r)
	if _, err := t.Next(); err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(t, 1<<20))
	return string(text), err
}
