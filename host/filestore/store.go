package filestore

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"github.com/odpm/odpm/shared/beneath"
)

// Store is an open file store. Names of files are relative to it, "ab/abcd…".
type Store struct {
	dir   *beneath.Dir
	info  beneath.Info
	owner *Owner
	// ours: this run of odpm made it, and has looked at what it took into it.
	ours bool
	// near is the directory that was worked in last.
	near *nearby
}

type nearby struct {
	name string
	dir  *beneath.Dir
}

func newStore(d *beneath.Dir) (*Store, error) {
	info, err := d.Stat()
	if err != nil {
		d.Close()
		return nil, err
	}
	return &Store{dir: d, info: info}, nil
}

func (s *Store) Close() error {
	s.leave()
	return s.dir.Close()
}

func (s *Store) leave() {
	if s.near != nil {
		s.near.dir.Close()
		s.near = nil
	}
}

// Path is where it was opened, to show.
func (s *Store) Path() string { return s.dir.Path() }

// at opens the directory of a file. Files of the same one follow each other, so
// the last one is kept; it makes a Store good for one goroutine.
func (s *Store) at(name string, make bool) (*beneath.Dir, string, error) {
	dir, base := path.Split(name)
	dir = path.Clean(dir)
	if s.near != nil && s.near.name == dir {
		return s.near.dir, base, nil
	}
	s.leave()
	var d *beneath.Dir
	var err error
	if make {
		d, err = s.dir.MkdirAll(dir, 0o755, s.owner.own)
	} else {
		d, err = s.dir.OpenDir(dir)
	}
	if err != nil {
		return nil, "", err
	}
	s.near = &nearby{dir, d}
	return d, base, nil
}

// Name says whether a name can be a file's in a file store.
func Name(name string) bool {
	return filepath.IsLocal(name) && filepath.Clean(name) == name && name != "."
}

// ForeignError is a file that is in the file store and is not Odoo's.
type ForeignError struct{ Why string }

func (e *ForeignError) Error() string { return e.Why }

// Size looks for a file and gives its size in bytes. The error is fs.ErrNotExist
// where there is none, and a ForeignError where it must not be taken.
func (s *Store) Size(name string) (int64, error) {
	if !Name(name) {
		return 0, notThere(name)
	}
	d, base, err := s.at(name, false)
	if errors.Is(err, syscall.ENAMETOOLONG) {
		return 0, notThere(name)
	}
	if err != nil {
		return 0, foreign(err)
	}
	info, err := d.Lstat(base)
	if errors.Is(err, syscall.ENAMETOOLONG) {
		return 0, notThere(name)
	}
	if err != nil {
		return 0, err
	}
	switch {
	case info.Mode&fs.ModeSymlink != 0 || !info.Mode.IsRegular():
		_, _, err := d.OpenRegular(base) // it says what it is
		return 0, foreign(err)
	case s.doubtful(info):
		f, info, err := s.Open(name)
		if err != nil {
			return 0, err
		}
		return info.Size, f.Close()
	}
	return info.Size, nil
}

// notThere: a name that leads elsewhere, or is longer than names can be, has no
// file whatever is there.
func notThere(name string) error {
	return &fs.PathError{Op: "look for", Path: name, Err: fs.ErrNotExist}
}

// foreign: a link or a pipe is not Odoo's, whatever it leads to.
func foreign(err error) error {
	var link *beneath.LinkError
	var kind *beneath.KindError
	if errors.As(err, &link) || errors.As(err, &kind) {
		return &ForeignError{err.Error()}
	}
	return err
}

// Open opens a file that is Odoo's to read it. It may be called from several
// goroutines.
func (s *Store) Open(name string) (*os.File, beneath.Info, error) {
	f, info, err := s.dir.OpenRegular(name)
	if err != nil {
		return nil, info, foreign(err)
	}
	if s.doubtful(info) {
		if err := prove(f, info, name); err != nil {
			f.Close()
			return nil, info, err
		}
	}
	return f, info, nil
}

// doubtful: the file has a name elsewhere and another owner than the file
// store. Nothing tells it from a file of the host's that somebody linked into
// it. (Files of Odoo's own owner may have any number of names: backup programs
// and deduplication make such.)
func (s *Store) doubtful(info beneath.Info) bool {
	return !s.ours && info.Links > 1 && info.UID != s.info.UID
}

// prove: what Odoo has written bears the SHA-1 of its content as its name, and
// nobody can give that to a file that he cannot read.
func prove(f *os.File, info beneath.Info, name string) error {
	h := sha1.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, info.Size)); err != nil {
		return err
	}
	if hex.EncodeToString(h.Sum(nil)) != path.Base(name) {
		return &ForeignError{fmt.Sprintf("%s has %d names, belongs to uid %d and is not what its name says: it is not Odoo's", f.Name(), info.Links, info.UID)}
	}
	return nil
}

// Create makes a file for the store's owner. It may be called from several
// goroutines; its directory must be there.
func (s *Store) Create(name string) (*os.File, error) {
	f, err := s.dir.Create(name, 0o644)
	if err != nil || s.owner == nil {
		return f, err
	}
	if err := f.Chown(s.owner.UID, s.owner.GID); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// MakeDir makes the directory of a file, for the store's owner.
func (s *Store) MakeDir(name string) error {
	_, _, err := s.at(name, true)
	return err
}

// Take gives a file of another store a name in this one: a hard link, which
// takes no room. Odoo never writes into a file again, so it is as good as a
// copy. What is not Odoo's is a ForeignError and gets no name.
func (s *Store) Take(from *Store, name string) error {
	src, base, err := from.at(name, false)
	if err != nil {
		return foreign(err)
	}
	seen, err := src.Lstat(base)
	if err != nil {
		return err
	}
	if !seen.Mode.IsRegular() {
		_, _, err := src.OpenRegular(base) // it says what it is
		return foreign(err)
	}
	dst, base, err := s.at(name, true)
	if err != nil {
		return err
	}
	if err := src.Link(base, dst, base); err != nil {
		return err
	}
	// What has the new name is what was looked at, or goes again.
	got, err := dst.Lstat(base)
	switch {
	case err != nil:
		return err
	case !got.Same(seen):
		err = &ForeignError{fmt.Sprintf("%s was replaced while it was linked", name)}
	case from.doubtful(seen):
		err = proveIn(dst, base)
	}
	if err != nil {
		return errors.Join(err, dst.Remove(base))
	}
	return nil
}

func proveIn(d *beneath.Dir, base string) error {
	f, info, err := d.OpenRegular(base)
	if err != nil {
		return foreign(err)
	}
	defer f.Close()
	return prove(f, info, base)
}

// walkDepth is far more than the three levels that Odoo makes.
const walkDepth = 32

// Checklist is where Odoo notes files that may be collectable, one empty file
// for each; it is no attachment's.
const Checklist = "checklist"

// Each calls do with every regular file below, skip leaves a directory out.
func (s *Store) Each(skip func(name string) bool, do func(name string, size int64) error) error {
	return s.dir.Walk(walkDepth, skip, func(name string, info beneath.Info) error {
		if !info.Mode.IsRegular() {
			return nil
		}
		return do(name, info.Size)
	})
}

// Sync makes all files durable.
func (s *Store) Sync() error { return syncTree(s.dir) }
