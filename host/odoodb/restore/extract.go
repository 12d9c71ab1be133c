package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sync"
	"sync/atomic"

	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/host/odoodb/progress"
	"github.com/odpm/odpm/host/odoodb/verify"
)

// extract unpacks an archive's file store into one that is new, and makes the
// files durable. Odoo must be able to add files beside them.
func extract(ctx context.Context, a *archive.Archive, to *filestore.Store, report progress.Func) error {
	folders := &folders{store: to, made: map[string]bool{}}
	var done atomic.Int64
	err := a.ReadFiles(ctx, 2, func(f archive.File, r io.Reader) error {
		if err := folders.make(f.Name); err != nil {
			return err
		}
		if err := extractFile(to, f.Name, r); err != nil {
			return err
		}
		report.Send(progress.Event{Phase: progress.PhaseFilestore, Done: done.Add(f.Size), Total: a.FilesSize})
		return nil
	})
	if err != nil {
		return err
	}
	if err := a.ReadOthers(ctx); err != nil {
		return err
	}
	if err := to.Sync(); err != nil {
		return fmt.Errorf("file store: %w", err)
	}
	report.Send(progress.Event{Phase: progress.PhaseFilestore, Done: done.Load(), Total: a.FilesSize, Finished: true})
	return nil
}

// folders makes those of a file store as its files come.
type folders struct {
	store *filestore.Store
	mu    sync.Mutex
	made  map[string]bool
}

// make makes a file's.
func (f *folders) make(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir := path.Dir(name)
	if f.made[dir] {
		return nil
	}
	if err := f.store.MakeDir(name); err != nil {
		return fmt.Errorf("file store: %w", err)
	}
	f.made[dir] = true
	return nil
}

func extractFile(to *filestore.Store, name string, r io.Reader) error {
	w, err := to.Create(name)
	if err != nil {
		return fmt.Errorf("file store: %w", err)
	}
	return errors.Join(verify.Copy(w, r), w.Close())
}

// takeOver gives a restored database without a file store those files of the
// database it replaces that its attachments name: names are checksums of the
// content, and Odoo never writes into a file again.
func takeOver(names []string, from, to *filestore.Store) (linked int, err error) {
	for _, n := range names {
		if !filestore.Name(n) {
			continue
		}
		err := to.Take(from, n)
		var foreign *filestore.ForeignError
		switch {
		case errors.Is(err, fs.ErrNotExist) || errors.As(err, &foreign):
			continue // it is missing, and said to be
		case err != nil:
			return linked, fmt.Errorf("file store: %w", err)
		}
		linked++
	}
	return linked, to.Sync()
}
