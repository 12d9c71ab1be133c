package odoodb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/odpm/odpm/host/odoodb/archive"
)

// extract unpacks an archive's file store into dir, which is new, and makes
// the files durable. Odoo must be able to add files beside them.
func extract(ctx context.Context, a *archive.Archive, dir string, owner *owner, progress Progress) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	folders := &folders{root: root, owner: owner, made: map[string]bool{}}
	var done atomic.Int64
	err = a.ReadFiles(ctx, 2, func(f archive.File, r io.Reader) error {
		if err := folders.make(filepath.Dir(f.Name)); err != nil {
			return err
		}
		if err := extractFile(root, f.Name, r, owner); err != nil {
			return err
		}
		progress.send(Event{Phase: PhaseFilestore, Done: done.Add(f.Size), Total: a.FilesSize})
		return nil
	})
	if err != nil {
		return err
	}
	if err := a.ReadOthers(ctx); err != nil {
		return err
	}
	// One flush of the file system instead of tens of thousands of single ones.
	if err := syncTree(dir); err != nil {
		return fmt.Errorf("file store: %w", err)
	}
	progress.send(Event{Phase: PhaseFilestore, Done: done.Load(), Total: a.FilesSize, Finished: true})
	return nil
}

// folders makes those of a file store as its files come.
type folders struct {
	root  *os.Root
	owner *owner
	mu    sync.Mutex
	made  map[string]bool
}

func (f *folders) make(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.made[dir] {
		return nil
	}
	if err := f.root.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("file store: %w", err)
	}
	for p := dir; p != "." && !f.made[p]; p = filepath.Dir(p) {
		f.made[p] = true
		if err := f.owner.own(f.root, p); err != nil {
			return err
		}
	}
	return nil
}

func extractFile(root *os.Root, name string, r io.Reader, owner *owner) error {
	w, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("file store: %w", err)
	}
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	_, err = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, *buf)
	if err = errors.Join(err, w.Close()); err != nil {
		return err
	}
	return owner.own(root, name)
}

// owner is who the files must belong to where odpm runs as root and Odoo does not.
type owner struct{ uid, gid int }

func (o *owner) own(root *os.Root, name string) error {
	if o == nil {
		return nil
	}
	return root.Lchown(name, o.uid, o.gid)
}

// newFilestore makes the directory of a restore's file store beside the others.
func newFilestore(root, dir string, o *owner) error {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return fmt.Errorf("file store: %w", err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("file store: %w; odpm must be able to write where Odoo keeps its files", err)
	}
	if o != nil {
		for _, d := range []string{root, dir} {
			if err := os.Lchown(d, o.uid, o.gid); err != nil {
				return err
			}
		}
	}
	return nil
}

// linkFiles gives a restored database without a file store those files of the
// database it replaces that its attachments name: names are checksums of the
// content, and Odoo never writes into a file again.
func linkFiles(names []string, from, to string, o *owner) (linked int, err error) {
	src, err := os.OpenRoot(from)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer src.Close()
	dst, err := os.OpenRoot(to)
	if err != nil {
		return 0, err
	}
	defer dst.Close()
	for _, n := range names {
		if !filepath.IsLocal(n) {
			continue
		}
		st, err := src.Lstat(n)
		if err != nil || !st.Mode().IsRegular() {
			continue
		}
		d := filepath.Dir(n)
		if _, err := dst.Stat(d); err != nil {
			if err := dst.MkdirAll(d, 0o755); err != nil {
				return linked, err
			}
			for p := d; p != "."; p = filepath.Dir(p) {
				if err := o.own(dst, p); err != nil {
					return linked, err
				}
			}
		}
		if err := os.Link(filepath.Join(from, n), filepath.Join(to, n)); err != nil {
			return linked, fmt.Errorf("file store: %w", err)
		}
		linked++
	}
	return linked, syncTree(to)
}
