// Package durable writes files that a power cut cannot leave half written.
package durable

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
		return err
	}
	defer func() {
		if err != nil {
			tmp.Close()
			os.Remove(tmp.Name())
			err = fmt.Errorf("write %s: %w", path, err)
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
