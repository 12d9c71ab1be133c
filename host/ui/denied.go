package ui

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/odpm/odpm/host/wording"
	"github.com/odpm/odpm/shared/shell"
)

// WithWay adds to an error about a file that is not there which part of its path
// is missing, and to one about a file that this user may not use whose it is and
// what to do. The system says "permission denied" and no more, wherever in
// a run it says it; errors that know better have no *fs.PathError in them. A
// change of permissions is proposed below the project's directory alone: what
// lies elsewhere is others' too, and may be the root directory itself.
func WithWay(err error, project string) error {
	var p *fs.PathError
	if IsRefusal(err) || !errors.As(err, &p) {
		return err
	}
	if errors.Is(p.Err, fs.ErrNotExist) || errors.Is(p.Err, syscall.ENOTDIR) {
		// Whoever has said in words what is missing has no system's text in it.
		if text := wording.NoSuchPath(p.Path); text != "" && strings.Contains(err.Error(), p.Error()) {
			return fmt.Errorf("%w\n  %s", err, text)
		}
		return err
	}
	if !errors.Is(p.Err, fs.ErrPermission) {
		return err
	}
	path, mode, missing := p.Path, "r", ""
	if p.Op == "write" {
		// A file is replaced, which its directory has to allow.
		path, mode = filepath.Dir(path), "rwx"
	}
	info, serr := os.Stat(path)
	for serr != nil && path != filepath.Dir(path) {
		// It was to be made, or lies where this user may not even look.
		mode = "rwx"
		if errors.Is(serr, fs.ErrPermission) {
			mode, missing = "", ""
		} else {
			missing = path
		}
		path = filepath.Dir(path)
		info, serr = os.Stat(path)
	}
	if serr != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return err
	}
	if info.IsDir() && mode == "r" {
		mode = "rx"
	}
	text := fmt.Sprintf("%s belongs to uid:gid %d:%d and has mode %04o; odpm runs as %d:%d", path, st.Uid, st.Gid, info.Mode().Perm(), os.Geteuid(), os.Getegid())
	if dir := filepath.Dir(p.Path); missing != "" && missing != p.Path {
		// The directory itself is not there: nobody's permissions are wrong.
		text = fmt.Sprintf("the directory %s does not exist, and this user may not create it: %s", dir, text)
	}
	if !below(path, project) {
		return fmt.Errorf("%w\n  %s\nTo continue, use a path that this user may use, or run odpm as a user who may use this one.", err, text)
	}
	ways := []string{"run odpm as the user that it belongs to, or with sudo"}
	if mode != "" {
		// Not o+r: the file may hold a password.
		ways = append(ways, fmt.Sprintf("sudo chgrp %d %[2]s && sudo chmod g+%[3]s %[2]s        lets this user's group use it", os.Getegid(), shell.Quote(path), mode))
	}
	return wording.ToContinue(fmt.Errorf("%w\n  %s", err, text), ways...)
}

// below tells whether a path is the project's directory or lies in it, links
// resolved.
func below(path, project string) bool {
	for _, p := range []*string{&path, &project} {
		abs, err := filepath.Abs(*p)
		if err != nil {
			return false
		}
		if *p, err = filepath.EvalSymlinks(abs); err != nil {
			return false
		}
	}
	rel, err := filepath.Rel(project, path)
	return err == nil && filepath.IsLocal(rel)
}
