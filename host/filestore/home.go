package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/odpm/odpm/shared/beneath"
)

// Owner is whom new files must belong to where odpm runs as root and Odoo does
// not; nil leaves them to odpm's own user.
type Owner struct{ UID, GID int }

func (o *Owner) own(d *beneath.Dir) error {
	if o == nil {
		return nil
	}
	return d.Chown(o.UID, o.GID)
}

// Owner is the owner of what is there: the file store, the directory that has
// all of them, Odoo's data_dir. It is nil for an ordinary user, who cannot give
// files away.
func (l Layout) Owner(database string) *Owner {
	if os.Geteuid() != 0 {
		return nil
	}
	if h, err := l.Home(database); err == nil {
		defer h.Close()
		d := h.dir
		if l.Recorded(database) {
			if live, err := h.dir.OpenDir(h.Live); err == nil {
				defer live.Close()
				d = live
			}
		}
		if info, err := d.Stat(); err == nil {
			return &Owner{info.UID, info.GID}
		}
	}
	data, err := beneath.Open(l.DataDir)
	if err != nil {
		return nil
	}
	defer data.Close()
	if info, err := data.Stat(); err == nil {
		return &Owner{info.UID, info.GID}
	}
	return nil
}

// Has says whether there is anything of that name.
func (h *Home) Has(name string) (bool, error) {
	_, err := h.dir.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Filled says whether there is a file store of that name that is not an empty
// directory.
func (h *Home) Filled(name string) (bool, error) {
	s, err := h.Open(name)
	var link *LinkError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case errors.As(err, &link):
		return false, err
	case err != nil:
		return true, nil // what this user may not look at may be anything
	}
	defer s.Close()
	filled := errors.New("filled")
	err = s.dir.Each(func(string, beneath.Info) error { return filled })
	return err != nil, nil
}

// Open opens a file store; fs.ErrNotExist where there is none, *LinkError where
// there is a link.
func (h *Home) Open(name string) (*Store, error) {
	d, err := h.dir.OpenDir(name)
	if err != nil {
		return nil, h.layout.unrecorded(err, h.database)
	}
	return newStore(d)
}

// Make makes a file store beside the others, for owner.
func (h *Home) Make(name string, perm fs.FileMode, owner *Owner) (*Store, error) {
	d, err := h.dir.Mkdir(name, perm)
	if err != nil {
		return nil, fmt.Errorf("%w; odpm must be able to write where Odoo keeps its files", err)
	}
	if err := owner.own(d); err != nil {
		d.Close()
		return nil, err
	}
	s, err := newStore(d)
	if err == nil {
		s.owner, s.ours = owner, true
	}
	return s, err
}

// Move gives what is there another name, which must be free.
func (h *Home) Move(name, newName string) error { return h.dir.Rename(name, h.dir, newName) }

// Install is a Move of the file store that odpm has made to the name of the
// live one. made is that store, nil in a later run; then the name must at least
// stand for a directory.
func (h *Home) Install(name, newName string, made *Store) error {
	if err := h.is(name, made); err != nil {
		return err
	}
	if err := h.Move(name, newName); err != nil {
		return err
	}
	// Somebody may have been quicker between the look and the rename.
	return h.is(newName, made)
}

func (h *Home) is(name string, made *Store) error {
	info, err := h.dir.Lstat(name)
	switch {
	case err != nil:
		return err
	case !info.Mode.IsDir() || made != nil && !info.Same(made.info):
		return fmt.Errorf("%s is no longer the directory that odpm made; somebody has replaced it", h.At(name))
	}
	return nil
}

// Remove removes a file store with everything in it.
func (h *Home) Remove(ctx context.Context, name string) error { return h.dir.RemoveAll(ctx, name) }

// Drop removes the database's file store and says whether there was one. A
// directory that .env names stays, empty. A link is left alone: *LinkError.
func (h *Home) Drop(ctx context.Context) (bool, error) {
	s, err := h.Open(h.Live)
	var link *LinkError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case errors.As(err, &link):
		return false, err
	case err == nil:
		defer s.Close()
	}
	if h.layout.Recorded(h.database) && err == nil {
		return true, s.dir.Empty(ctx)
	}
	if err := h.Remove(ctx, h.Live); err != nil {
		return true, err
	}
	if there, err := h.Has(h.Live); err != nil || there {
		return true, errors.Join(err, fmt.Errorf("%s is there again", h.At(h.Live)))
	}
	return true, nil
}

// MountPoint says whether the live file store is a file system of its own: it
// cannot be exchanged then.
func (h *Home) MountPoint() bool {
	here, err := h.dir.Stat()
	if err != nil {
		return false
	}
	live, err := h.dir.Lstat(h.Live)
	return err == nil && live.Mode.IsDir() && !live.SameDevice(here)
}

// Writable says whether this user may make directories here.
func (h *Home) Writable() error { return writable(h.dir) }

func writable(d *beneath.Dir) error {
	if err := unix.Faccessat(int(d.Fd()), ".", unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return &fs.PathError{Op: "write in", Path: d.Path(), Err: err}
	}
	return nil
}

// Free is how many bytes there is room for.
func (h *Home) Free() (int64, error) { return freeSpace(h.dir) }

// Sync makes moves durable.
func (h *Home) Sync() error { return h.dir.Sync() }

// Find gives the paths of entries, of any kind, in the directories that file
// stores are made in.
func (l Layout) Find(wanted func(name string) bool) ([]string, error) {
	var found []string
	seen := map[string]bool{}
	look := func(database string) error {
		h, err := l.Home(database)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		defer h.Close()
		if seen[h.Path()] {
			return nil
		}
		seen[h.Path()] = true
		return h.dir.Each(func(name string, _ beneath.Info) error {
			if wanted(name) {
				found = append(found, h.At(name))
			}
			return nil
		})
	}
	err := look("")
	for _, database := range slices.Sorted(maps.Keys(l.Databases)) {
		err = errors.Join(err, look(database))
	}
	slices.Sort(found)
	return found, err
}

// Removable tells beforehand that a Drop would not succeed: another user's
// directories, or a file system that is mounted read-only. A link is a *LinkError.
func (h *Home) Removable() error {
	s, err := h.Open(h.Live)
	var kind *beneath.KindError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.As(err, &kind):
		return h.Writable()
	case err != nil:
		return err
	}
	defer s.Close()
	if !h.layout.Recorded(h.database) {
		if err := h.Writable(); err != nil {
			return err
		}
	}
	return removable(s.dir, walkDepth)
}

func removable(d *beneath.Dir, depth int) error {
	if err := writable(d); err != nil || depth == 0 {
		return err
	}
	return d.Each(func(name string, info beneath.Info) error {
		if !info.Mode.IsDir() {
			return nil
		}
		sub, err := d.OpenDir(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		defer sub.Close()
		return removable(sub, depth-1)
	})
}
