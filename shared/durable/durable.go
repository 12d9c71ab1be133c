// Package durable writes files that a power cut cannot leave half written.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// suffix ends the names of temporary files, which begin with a dot.
const suffix = ".tmp"

// WriteFile replaces path with data: a temporary file beside it, fsync,
// rename, fsync of the directory. The temporary file is gone on any error. A
// symbolic link at path is replaced, not followed.
func WriteFile(path string, data []byte, mode os.FileMode) error {
	return WriteFileHeld(path, data, mode, nil)
}

// WriteFileHeld is WriteFile for a file that somebody must hold, by a lock,
// before anybody else can find it: hold is given the temporary file's name when
// its content is safe and its own name is still to come.
func WriteFileHeld(path string, data []byte, mode os.FileMode, hold func(tmp string) error) (err error) {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*"+suffix)
	if err != nil {
		return about(path, err)
	}
	defer func() {
		if err != nil {
			tmp.Close()
			os.Remove(tmp.Name())
			err = about(path, err)
		}
	}()
	if _, err = tmp.Write(data); err != nil {
		return err
	}
	if err = tmp.Chmod(mode); err != nil {
		return err
	}
	if err = tmp.Sync(); err != nil {
		return err
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	if hold != nil {
		if err = hold(tmp.Name()); err != nil {
			return err
		}
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return SyncDir(dir)
}

// about makes an error about the temporary file one about the file that was
// wanted: nobody knows the other's name.
func about(path string, err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		err = p.Err
	case errors.As(err, &l):
		if err = l.Err; isDir(path) {
			err = syscall.EISDIR
		}
	}
	return &fs.PathError{Op: "write", Path: path, Err: err}
}

func isDir(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir()
}

// SyncDir makes a rename or a new name in dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// IsTemporary tells a name of a file that a writer has not finished.
func IsTemporary(name string) bool {
	return strings.HasPrefix(name, ".") && strings.HasSuffix(name, suffix)
}

// IsTemporaryOf tells a name of an unfinished file that is to become base.
func IsTemporaryOf(base, name string) bool {
	return IsTemporary(name) && strings.HasPrefix(name, "."+base+".")
}
