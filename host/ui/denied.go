package ui

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/odpm/odpm/shared/shell"
)

// WithWay adds to an error about a file that this user may not use whose it is
// and what to do. The system says "permission denied" and no more, wherever in
// a run it says it; errors that know better have no *fs.PathError in them.
func WithWay(err error) error {
	var p *fs.PathError
	if IsRefusal(err) || !errors.As(err, &p) || !errors.Is(p.Err, fs.ErrPermission) {
		return err
	}
	path, mode := p.Path, "r"
	info, serr := os.Stat(path)
	for serr != nil && path != filepath.Dir(path) {
		// It was to be made, or lies where this user may not even look.
		mode = "rwx"
		if errors.Is(serr, fs.ErrPermission) {
			mode = ""
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
	ways := "run odpm as the user that it belongs to, or with sudo"
	if mode != "" {
		// Not o+r: the file may hold a password.
		ways += fmt.Sprintf("\n  sudo chgrp %d %[2]s && sudo chmod g+%[3]s %[2]s        lets this user's group use it", os.Getegid(), shell.Quote(path), mode)
	}
	return fmt.Errorf("%w\n  %s\nThe way on:\n  %s", err, text, ways)
}
