package odoodb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
)

// staged is a file store as it was at the moment of a snapshot: a directory of
// hard links, which take no space and which Odoo's collector does not reach.
// Odoo never writes into a file again, so a link is as good as a copy.
type staged struct {
	// dir is the directory, "" where there are no files.
	dir   string
	names []string
	bytes int64
	// missing are names without a file.
	missing []string
	// copied says why files had to be copied instead, nil if they were linked.
	copied error
}

// stager makes a staged file store.
type stager struct {
	// live is the database's file store. links is beside it, on the same file
	// system; copies is where we may write in any case.
	live, links, copies string
	all                 bool
	// room is asked before anything is copied: extra is what the copies take.
	room func(files, extra int64) error
}

func (g *stager) stage(ctx context.Context, stored []string) (*staged, error) {
	st := &staged{}
	root, err := os.OpenRoot(g.live)
	if errors.Is(err, fs.ErrNotExist) {
		st.missing = stored
		return st, g.room(0, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("file store: %w", err)
	}
	defer root.Close()
	if err := g.choose(st, root, stored); err != nil {
		return nil, err
	}
	if err := g.room(st.bytes, 0); err != nil {
		return nil, err
	}
	if len(st.names) == 0 {
		return st, nil
	}
	st.dir = g.links
	if st.copied = g.link(ctx, st); st.copied == nil {
		return st, nil
	}
	if err := errors.Join(ctx.Err(), os.RemoveAll(g.links)); err != nil {
		return nil, err
	}
	// Linux lets nobody link a file that he does not own and may not write
	// (fs.protected_hardlinks), and no link leads to another file system.
	if err := g.room(st.bytes, st.bytes); err != nil {
		return nil, fmt.Errorf("%w (the files have to be copied: %v)", err, st.copied)
	}
	st.dir = g.copies
	return st, g.copy(ctx, root, st)
}

// choose lists the files and counts them.
func (g *stager) choose(st *staged, root *os.Root, stored []string) error {
	take := func(name string) error {
		info, err := root.Lstat(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("file store: %w", err)
		}
		if err != nil || !info.Mode().IsRegular() {
			st.missing = append(st.missing, name)
			return nil
		}
		st.names = append(st.names, name)
		st.bytes += info.Size()
		return nil
	}
	named := make(map[string]bool, len(stored))
	for _, n := range stored {
		named[n] = true
		if !filepath.IsLocal(n) || filepath.Clean(n) != n {
			st.missing = append(st.missing, n)
		} else if err := take(n); err != nil {
			return err
		}
	}
	if !g.all {
		return nil
	}
	err := fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || named[name] {
			return err
		}
		return take(name)
	})
	if err != nil {
		return fmt.Errorf("file store: %w", err)
	}
	sort.Strings(st.names)
	return nil
}

// link fails without having changed anything but g.links.
func (g *stager) link(ctx context.Context, st *staged) error {
	parent, err := os.OpenRoot(filepath.Dir(g.links))
	if err != nil {
		return err
	}
	defer parent.Close()
	to, from := filepath.Base(g.links), filepath.Base(g.live)
	if err := parent.Mkdir(to, 0o700); err != nil {
		return err
	}
	made := map[string]bool{}
	for _, n := range st.names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if d := filepath.Dir(n); !made[d] {
			if err := parent.MkdirAll(filepath.Join(to, d), 0o700); err != nil {
				return err
			}
			made[d] = true
		}
		if err := parent.Link(filepath.Join(from, n), filepath.Join(to, n)); err != nil {
			return err
		}
	}
	return nil
}

func (g *stager) copy(ctx context.Context, live *os.Root, st *staged) error {
	if err := os.Mkdir(g.copies, 0o700); err != nil {
		return err
	}
	to, err := os.OpenRoot(g.copies)
	if err != nil {
		return err
	}
	defer to.Close()
	for _, n := range st.names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := copyFile(live, to, n); err != nil {
			return fmt.Errorf("file store: %w", err)
		}
	}
	return nil
}

func copyFile(from, to *os.Root, name string) error {
	r, err := from.Open(name)
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: this user may not read Odoo's files; run odpm as their owner or with sudo", err)
	}
	if err != nil {
		return err
	}
	defer r.Close()
	if err := to.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	w, err := to.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Close())
}
