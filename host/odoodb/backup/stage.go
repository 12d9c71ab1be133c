package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sort"

	"github.com/odpm/odpm/host/filestore"
)

// staged is a file store as it was at the moment of a snapshot: a directory of
// hard links, which take no space and which Odoo's collector does not reach.
// Odoo never writes into a file again, so a link is as good as a copy.
type staged struct {
	// store is the directory, nil where there are no files.
	store *filestore.Store
	names []string
	bytes int64
	// missing are names without a file.
	missing []string
	// foreign says of names why what is there is not Odoo's file.
	foreign []string
	// copied says why files had to be copied instead, nil if they were linked.
	copied error
}

func (st *staged) close() {
	if st != nil && st.store != nil {
		st.store.Close()
	}
}

// stager makes a staged file store.
type stager struct {
	// home has the database's file store in it, nil where Odoo has none yet.
	// links is the name of what is made beside it, on the same file system;
	// copies opens where we may write in any case.
	home   *filestore.Home
	links  string
	copies func() (*filestore.Store, error)
	all    bool
	// room is asked before anything is copied: extra is what the copies take.
	room func(files, extra int64) error
}

func (g *stager) stage(ctx context.Context, stored []string) (st *staged, err error) {
	st = &staged{}
	var live *filestore.Store
	if g.home != nil {
		live, err = g.home.Open(g.home.Live)
	}
	if g.home == nil || errors.Is(err, fs.ErrNotExist) {
		st.missing = stored
		return st, g.room(0, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("file store: %w", err)
	}
	defer live.Close()
	if err := g.choose(st, live, stored); err != nil {
		return nil, err
	}
	if err := g.room(st.bytes, 0); err != nil {
		return nil, err
	}
	if len(st.names) == 0 {
		return st, nil
	}
	defer func() {
		if err != nil {
			st.close()
		}
	}()
	if st.copied = g.link(ctx, live, st); st.copied == nil {
		return st, nil
	}
	st.close()
	st.store = nil
	if err := errors.Join(ctx.Err(), g.home.Remove(ctx, g.links)); err != nil {
		return st, err
	}
	// Linux lets nobody link a file that he does not own and may not write
	// (fs.protected_hardlinks), and no link leads to another file system.
	if err := g.room(st.bytes, st.bytes); err != nil {
		return st, fmt.Errorf("%w (the files have to be copied: %v)", err, st.copied)
	}
	return st, g.copy(ctx, live, st)
}

// choose lists the files and counts them.
func (g *stager) choose(st *staged, live *filestore.Store, stored []string) error {
	named := make(map[string]bool, len(stored))
	for _, n := range stored {
		named[n] = true
		size, err := live.Size(n)
		if err := st.leaveOut(n, err); err != nil {
			return err
		}
		if err == nil {
			st.names = append(st.names, n)
			st.bytes += size
		}
	}
	if !g.all {
		return nil
	}
	err := live.Each(nil, func(name string, _ int64) error {
		if named[name] {
			return nil
		}
		size, err := live.Size(name)
		if err == nil {
			st.names = append(st.names, name)
			st.bytes += size
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // no attachment's, and gone by now
		}
		return st.leaveOut(name, err)
	})
	if err != nil {
		return fmt.Errorf("file store: %w", err)
	}
	sort.Strings(st.names)
	return nil
}

// leaveOut notes a file that is not there or not Odoo's; another error is one.
func (st *staged) leaveOut(name string, err error) error {
	var foreign *filestore.ForeignError
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist):
		st.missing = append(st.missing, name)
	case errors.As(err, &foreign):
		st.foreign = append(st.foreign, err.Error())
	default:
		return fmt.Errorf("file store: %w", err)
	}
	return nil
}

// taken notes what was replaced between the look and the taking.
func (st *staged) taken(take func(name string) error) error {
	kept := st.names[:0]
	for _, n := range st.names {
		err := take(n)
		if err == nil {
			kept = append(kept, n)
			continue
		}
		var foreign *filestore.ForeignError
		if !errors.As(err, &foreign) {
			return err
		}
		st.foreign = append(st.foreign, err.Error())
	}
	st.names = kept
	return nil
}

// link fails without having changed anything but what is named links.
func (g *stager) link(ctx context.Context, live *filestore.Store, st *staged) (err error) {
	if st.store, err = g.home.Make(g.links, 0o700, nil); err != nil {
		return err
	}
	names := append([]string(nil), st.names...)
	err = st.taken(func(n string) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return st.store.Take(live, n)
	})
	if err != nil {
		st.names = names // they are to be copied
	}
	return err
}

func (g *stager) copy(ctx context.Context, live *filestore.Store, st *staged) (err error) {
	if st.store, err = g.copies(); err != nil {
		return err
	}
	err = st.taken(func(n string) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return copyFile(live, st.store, n)
	})
	if err != nil {
		return fmt.Errorf("file store: %w", err)
	}
	return nil
}

func copyFile(from, to *filestore.Store, name string) error {
	r, _, err := from.Open(name)
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: this user may not read Odoo's files; run odpm as their owner or with sudo", err)
	}
	if err != nil {
		return err
	}
	defer r.Close()
	if err := to.MakeDir(name); err != nil {
		return err
	}
	w, err := to.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Close())
}
