package filestore

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/odpm/odpm/shared/beneath"
)

// Copies makes a store outside of what Odoo's container can write, for files
// that cannot be linked.
func Copies(path string) (*Store, error) {
	parent, err := beneath.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	d, err := parent.Mkdir(filepath.Base(path), 0o700)
	if err != nil {
		return nil, err
	}
	s, err := newStore(d)
	if err == nil {
		s.ours = true
	}
	return s, err
}

// RemoveCopies removes it. That it or its parent is not there is no error.
func RemoveCopies(ctx context.Context, path string) error {
	if path == "" {
		return nil
	}
	parent, err := beneath.Open(filepath.Dir(path))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	defer parent.Close()
	err = parent.RemoveAll(ctx, filepath.Base(path))
	if errors.Is(err, syscall.ENAMETOOLONG) {
		return nil // such a name was never made
	}
	return err
}
