package archive

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
)

// source is where an archive's members are. It is read member by member, as
// often as need be, and keeps no list of them.
type source interface {
	each(yield func(member) error) error
	// parallel: members can be opened in any order and side by side. Otherwise
	// each is opened before yield returns, or not at all.
	parallel() bool
}

// member is a file, a folder or something else in an archive.
type member struct {
	name string // as it is
	mode os.FileMode
	size int64
	// layers is how often it is compressed with gzip, as a file.
	layers int
	open   func() (io.ReadCloser, error)
	// wide is open for all of a large member, on several processors; nil where there is
	// but one way.
	wide func() (io.ReadCloser, error)
	// packedAs is a file that only the program which packed it gives back, "" for others.
	packedAs string
}

func (d zipSource) parallel() bool { return true }

type zipSource struct{ dir *zipDir }

func (d zipSource) each(yield func(member) error) error {
	return d.dir.each(func(e zipEntry) error {
		return yield(member{name: e.name, mode: e.mode, size: e.size,
			open: func() (io.ReadCloser, error) { return d.dir.open(e, false) }, wide: func() (io.ReadCloser, error) { return d.dir.open(e, true) }})
	})
}

// File is one file of the file store, its name relative to it ("ab/abcdef…").
type File struct {
	Name string
	Size int64
}

// Parallel says whether the dump and the files may be read at the same time.
func (a *Archive) Parallel() bool { return a.src != nil && a.src.parallel() }

// ReadFiles gives every file of the file store to fn, on several goroutines at
// the same time. A reader ends with io.EOF only if the file is intact. The
// first error ends it all.
func (a *Archive) ReadFiles(ctx context.Context, jobs int, fn func(File, io.Reader) error) error {
	return a.read(ctx, jobs, roleFile, fn)
}

// ReadOthers reads what belongs to no backup of Odoo's and is not restored:
// that it is damaged says something about the rest.
func (a *Archive) ReadOthers(ctx context.Context) error {
	if a.OtherFiles == 0 {
		return nil
	}
	return a.read(ctx, 1, roleOther, func(_ File, r io.Reader) error {
		_, err := io.Copy(io.Discard, &cancelReader{ctx, r})
		return err
	})
}

type cancelReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

func (a *Archive) read(ctx context.Context, jobs int, wanted role, fn func(File, io.Reader) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	one := func(f File, m member) error {
		r, err := m.open()
		if err != nil {
			return a.damaged(err)
		}
		defer r.Close()
		return fn(f, &checkedReader{r, a})
	}
	if a.src == nil {
		return nil
	}
	type job struct {
		f File
		m member
	}
	work := make(chan job)
	var wg sync.WaitGroup
	if a.src.parallel() {
		for range max(jobs, 1) {
			wg.Go(func() {
				for j := range work {
					if ctx.Err() != nil {
						continue // drain
					}
					if err := one(j.f, j.m); err != nil {
						cancel(err)
					}
				}
			})
		}
	}
	err := a.src.each(func(m member) error {
		rel, what, err := a.roleOf(m)
		if err != nil || what != wanted {
			return err
		}
		if !a.src.parallel() {
			if err = one(File{rel, m.size}, m); err != nil {
				cancel(err)
			}
			return err
		}
		select {
		case work <- job{File{rel, m.size}, m}:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	close(work)
	wg.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err != nil {
		return a.damaged(err)
	}
	return nil
}

// checkedReader makes a damaged member an archive that is refused.
type checkedReader struct {
	io.ReadCloser
	a *Archive
}

func (r *checkedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = r.a.damaged(err)
	}
	return n, err
}
