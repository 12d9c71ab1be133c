package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/odpm/odpm/shared/beneath"
)

// Copies makes a store in parent, outside of what Odoo's container can write,
// for files that cannot be linked.
func Copies(parent *beneath.Dir, name string) (*Store, error) {
	d, err := parent.Mkdir(name, 0o700)
	if err != nil {
		return nil, err
	}
	s, err := newStore(d)
	if err == nil {
		s.ours = true
	}
	return s, err
}

// RemoveCopies removes it. That it is not there is no error. Only a directory of
// owner, who made it, is removed: others may write in parent.
func RemoveCopies(ctx context.Context, parent *beneath.Dir, name string, owner int) error {
	info, err := parent.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENAMETOOLONG) {
		return nil // such a name was never made
	}
	if err != nil {
		return err
	}
	if path := filepath.Join(parent.Path(), name); !info.Mode.IsDir() || info.UID != owner {
		return fmt.Errorf("%s is not the directory that odpm made for copies of files, and is left alone", path)
	}
	return parent.RemoveAll(ctx, name)
}
