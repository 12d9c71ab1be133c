package docker

import (
	"archive/tar"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// inside lets look at an image's files through a container that is made, never
// started, and removed.
func (e *Reader) inside(ctx context.Context, image string, look func(*files) error) error {
	const verb = "create"
	resp, err := e.cl.api.do(ctx, verb, http.MethodPost, "/containers/create", url.Values{"name": {"odpm-look-" + token()}}, map[string]any{
		// An image without a command cannot be created without one; it never runs.
		"Image": image, "Entrypoint": []string{"/odpm-never-run"}, "Cmd": []string{"x"},
		"Labels":     map[string]string{labelLook: ""},
		"HostConfig": map[string]any{"NetworkMode": "none"},
	})
	if err != nil {
		return err
	}
	var made struct {
		ID string `json:"Id"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, answerSize)).Decode(&made)
	finish(resp)
	if err != nil {
		return fmt.Errorf("%s %s: %w", Program, verb, err)
	}
	defer func() {
		ctx, cancel := detached(ctx, 20*time.Second)
		defer cancel()
		if resp, err := e.cl.api.do(ctx, "rm", http.MethodDelete, "/containers/"+made.ID, url.Values{"force": {"1"}, "v": {"1"}}, nil); err == nil {
			finish(resp)
		}
	}()
	return look(&files{ctx: ctx, api: e.cl.api, at: "/containers/" + made.ID + "/archive"})
}

// files are an image's. What is not there is an fs.ErrNotExist.
type files struct {
	ctx context.Context
	api *api
	at  string
}

// mode follows links.
func (f *files) mode(path string) (fs.FileMode, error) {
	resp, err := f.ask(http.MethodHead, path)
	if err != nil {
		return 0, err
	}
	finish(resp)
	st, err := statOf(resp)
	if err == nil && st.Mode&fs.ModeSymlink != 0 && st.LinkTarget != "" {
		// The engine has resolved all of it, in the container's own root.
		if resp, err = f.ask(http.MethodHead, st.LinkTarget); err != nil {
			return 0, err
		}
		finish(resp)
		st, err = statOf(resp)
	}
	return st.Mode, err
}

// fileLimit is more than a script or a passwd has.
const fileLimit = 1 << 20

// text reads a small file, links followed; a missing one is empty.
func (f *files) text(path string) (string, error) {
	for range 2 {
		resp, err := f.ask(http.MethodGet, path)
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		st, err := statOf(resp)
		if err == nil && st.Mode&fs.ModeSymlink != 0 && st.LinkTarget != "" && st.LinkTarget != path {
			finish(resp)
			path = st.LinkTarget
			continue
		}
		var text []byte
		if err == nil {
			t := tar.NewReader(resp.Body)
			if _, err = t.Next(); err == nil {
				text, err = io.ReadAll(io.LimitReader(t, fileLimit))
			}
		}
		finish(resp)
		return string(text), err
	}
	return "", nil
}

// colons reads a file like passwd; a missing one is empty.
func (f *files) colons(path string) ([][]string, error) {
	text, err := f.text(path)
	if err != nil || text == "" {
		return nil, err
	}
	var out [][]string
	for _, l := range strings.Split(text, "\n") {
		out = append(out, strings.Split(l, ":"))
	}
	return out, nil
}

func (f *files) ask(method, path string) (*http.Response, error) {
	resp, err := f.api.do(f.ctx, "cp", method, f.at, url.Values{"path": {path}}, nil)
	var refused *Failure
	if !errors.As(err, &refused) {
		return resp, err
	}
	if refused.HTTP == http.StatusNotFound {
		return nil, fs.ErrNotExist
	}
	if method == http.MethodHead {
		// Without a body nothing is said; a GET gives the same refusal with words.
		if resp, err := f.ask(http.MethodGet, path); err != nil {
			return nil, err
		} else {
			finish(resp)
		}
	}
	if s := strings.ToLower(refused.Stderr); strings.Contains(s, "no such file") || strings.Contains(s, "not a directory") {
		return nil, fs.ErrNotExist
	}
	return nil, err
}

// pathStat is what the engine says of a path in a header.
type pathStat struct {
	Mode       fs.FileMode
	LinkTarget string
}

func statOf(resp *http.Response) (st pathStat, err error) {
	text, err := base64.StdEncoding.DecodeString(resp.Header.Get("X-Docker-Container-Path-Stat"))
	if err == nil {
		err = json.Unmarshal(text, &st)
	}
	if err != nil {
		err = fmt.Errorf("%s cp: what the engine says of a file cannot be read: %w", Program, err)
	}
	return st, err
}

// labelLook marks the containers that only lend their files.
const labelLook = "io.github.odpm.look"

// lookedLong is when such a container belongs to nobody any more.
const lookedLong = 10 * time.Minute

// sweep removes containers of ours that a kill left, in the state in which
// nobody needs them any more; that they stay is no reason to fail.
func (e *Reader) sweep(ctx context.Context, label, state string, older time.Duration) {
	list, err := e.cl.all(ctx, "label="+label, "status="+state)
	if err != nil {
		return
	}
	for _, c := range list {
		if made, err := time.Parse(time.RFC3339Nano, c.Created); err == nil && time.Since(made) > older {
			e.cl.output(ctx, "rm", "-v", c.ID)
		}
	}
}
