package beneath

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"

	"golang.org/x/sys/unix"
)

// batch is how many names are read at a time: a directory may have millions.
const batch = 1024

// names are the directory's entries, at most one batch of them.
func (d *Dir) names() ([]string, error) {
	again, err := d.OpenDir(".") // the position in a directory is its descriptor's
	if err != nil {
		return nil, err
	}
	defer again.Close()
	names, err := again.f.Readdirnames(batch)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return names, err
}

// Each calls do with every entry, in no order. An entry that is gone by the
// time it is looked at is left out.
func (d *Dir) Each(do func(name string, info Info) error) error {
	again, err := d.OpenDir(".")
	if err != nil {
		return err
	}
	defer again.Close()
	for {
		names, err := again.f.Readdirnames(batch)
		for _, n := range names {
			info, err := fstatat(again.fd(), n, d.join(n))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			if err := do(n, info); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Walk calls do with everything below that is not a directory, in no order.
// skip, if it is not nil, leaves a directory out. Directories that are nested
// deeper than depth are an error: every level is an open descriptor.
func (d *Dir) Walk(depth int, skip func(name string) bool, do func(name string, info Info) error) error {
	return d.walk("", depth, skip, do)
}

func (d *Dir) walk(prefix string, depth int, skip func(string) bool, do func(string, Info) error) error {
	return d.Each(func(name string, info Info) error {
		path := prefix + name
		if !info.Mode.IsDir() {
			return do(path, info)
		}
		if skip != nil && skip(path) {
			return nil
		}
		if depth == 0 {
			return &fs.PathError{Op: "open", Path: d.join(name), Err: errors.New("its directories are nested too deeply")}
		}
		sub, err := d.OpenDir(name)
		if gone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		defer sub.Close()
		return sub.walk(path+"/", depth-1, skip, do)
	})
}

// gone: what was a directory a moment ago is not there, or is something else by now.
func gone(err error) bool {
	var link *LinkError
	var kind *KindError
	return errors.Is(err, fs.ErrNotExist) || errors.As(err, &link) || errors.As(err, &kind)
}

const (
	// removeDepth is how many descriptors a removal holds; what is nested
	// deeper is moved up first.
	removeDepth = 64
	// removePasses is how often a directory that has few entries is read again
	// because somebody writes into it while it is removed.
	removePasses = 100
)

// RemoveAll removes an entry and everything below it, however deep, without
// following a link. That there is nothing is no error. The context ends it
// where somebody writes faster than it can remove.
func (d *Dir) RemoveAll(ctx context.Context, name string) error {
	parent, base, err := d.parent(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer parent.Close()
	for range removePasses {
		err = parent.remove(base)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if !full(err) {
			return err
		}
		dir, oerr := parent.OpenDir(base)
		if gone(oerr) {
			continue // it is something else by now
		}
		if oerr != nil {
			return oerr
		}
		eerr := dir.Empty(ctx)
		dir.Close()
		if eerr != nil {
			return eerr
		}
	}
	return err
}

// Empty removes everything below the directory and leaves the directory itself.
func (d *Dir) Empty(ctx context.Context) error {
	r := &remover{ctx: ctx, top: d, up: ".removed-" + token()}
	return r.empty(d, removeDepth)
}

// remover removes a tree with a bounded number of descriptors.
type remover struct {
	ctx context.Context
	// top is where directories that are nested too deeply are moved to, under
	// names that begin with up: they are among its entries then.
	top   *Dir
	up    string
	moved int
}

func (r *remover) empty(dir *Dir, depth int) error {
	pass, moved := 0, 0
	for {
		names, err := dir.names()
		if err != nil || len(names) == 0 {
			return err
		}
		// Neither a large directory nor one that was moved here is a sign of
		// somebody writing.
		if len(names) == batch || r.moved > moved {
			pass, moved = 0, r.moved
		}
		if pass++; pass > removePasses {
			return &fs.PathError{Op: "remove", Path: dir.path, Err: fmt.Errorf("another process is writing into it while it is being removed: %w", unix.ENOTEMPTY)}
		}
		for _, n := range names {
			if err := r.remove(dir, n, depth); err != nil {
				return err
			}
		}
		if err := r.ctx.Err(); err != nil {
			return err
		}
	}
}

func (r *remover) remove(at *Dir, name string, depth int) error {
	err := at.remove(name)
	switch {
	case err == nil || errors.Is(err, fs.ErrNotExist):
		return nil
	case !full(err):
		return err
	}
	if depth == 0 {
		r.moved++
		if err := unix.Renameat(at.fd(), name, r.top.fd(), r.up+"-"+strconv.Itoa(r.moved)); err != nil {
			return &fs.PathError{Op: "rename", Path: at.join(name), Err: err}
		}
		return nil
	}
	dir, err := at.OpenDir(name)
	if gone(err) {
		return nil // the next pass finds what is there by now
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := r.empty(dir, depth-1); err != nil {
		return err
	}
	if err := at.remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) && !full(err) {
		return err
	}
	return nil
}

// full: a directory was not removed because it is not empty.
func full(err error) bool { return errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) }
