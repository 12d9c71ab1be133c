// Package beneath works in directories that somebody else can write to, a
// container for example, without being led out of them. A directory is opened
// once, by a path that only trusted people can write to; everything below it
// is reached by descriptor, component by component, and no symbolic link is
// followed, wherever it leads: not to the outside, and not to a neighbour.
//
// os.Root is not enough for that: it keeps within the root, but follows links
// inside it, and there one tenant's directory would stand for another's.
//
// A name is relative to the directory, with slashes, local as filepath.IsLocal
// has it. Errors are *fs.PathError with the whole path, so errors.Is finds
// fs.ErrNotExist and its kin; a symbolic link is a *LinkError, and anything
// else of the wrong kind a *KindError.
package beneath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/odpm/odpm/shared/regular"
)

// Dir is an open directory. What happens to its name afterwards, a rename or
// another directory in its place, does not concern it.
type Dir struct {
	f    *os.File
	path string
	// borrowed: the descriptor is another Dir's to close.
	borrowed bool
}

// LinkError is a symbolic link where none is followed.
type LinkError struct {
	// Path is the link, Target what it says: text of whoever made the link.
	Path, Target string
}

func (e *LinkError) Error() string {
	return fmt.Sprintf("%s is a symbolic link to %q, and links are not followed there", e.Path, e.Target)
}

// KindError is something that is neither a symbolic link nor of the kind that
// was asked for.
type KindError struct {
	Path string
	// Want is "a directory" or "a regular file".
	Want string
	Mode fs.FileMode
}

func (e *KindError) Error() string {
	return fmt.Sprintf("%s is %s, not %s", e.Path, regular.Kind(e.Mode), e.Want)
}

const dirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// Open opens a directory by a path that the caller trusts: links in it are
// followed.
func Open(path string) (*Dir, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return &Dir{f: f, path: path}, nil
}

// Path is the path that the directory was opened by, to show to people.
func (d *Dir) Path() string { return d.path }

func (d *Dir) Close() error {
	if d.borrowed {
		return nil
	}
	return d.f.Close()
}

func (d *Dir) fd() int { return int(d.f.Fd()) }

// Fd is the descriptor, for system calls that this package does not have. It
// is valid until Close.
func (d *Dir) Fd() uintptr { return d.f.Fd() }

func (d *Dir) join(name string) string { return filepath.Join(d.path, name) }

// Sync makes new and changed names in the directory durable.
func (d *Dir) Sync() error { return d.f.Sync() }

// Chown and Chmod change the directory itself.
func (d *Dir) Chown(uid, gid int) error     { return d.f.Chown(uid, gid) }
func (d *Dir) Chmod(mode fs.FileMode) error { return d.f.Chmod(mode) }

// Stat describes the directory itself.
func (d *Dir) Stat() (Info, error) { return fstat(d.fd(), d.path) }

// OpenDir opens a directory below; "." gives another descriptor of the same one.
func (d *Dir) OpenDir(name string) (*Dir, error) {
	fd, err := d.open("open", name, dirFlags, 0, "a directory")
	if err != nil {
		return nil, err
	}
	return &Dir{f: os.NewFile(uintptr(fd), d.join(name)), path: d.join(name)}, nil
}

// Mkdir makes a directory that is not there yet and opens it. What is opened
// is empty: a directory with something in it is somebody else's by now, who has
// put it there or was faster to use it, and that is fs.ErrExist as well.
func (d *Dir) Mkdir(name string, perm fs.FileMode) (*Dir, error) {
	parent, base, err := d.parent(name)
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	if err := unix.Mkdirat(parent.fd(), base, uint32(perm.Perm())); err != nil {
		return nil, &fs.PathError{Op: "mkdir", Path: d.join(name), Err: err}
	}
	made, err := parent.OpenDir(base)
	if err != nil {
		return nil, err
	}
	names, err := made.names()
	if err == nil && len(names) > 0 {
		err = &fs.PathError{Op: "mkdir", Path: made.path, Err: errTaken}
	}
	if err != nil {
		made.Close()
		return nil, err
	}
	return made, nil
}

// errTaken is a directory that somebody else has put something into.
var errTaken = fmt.Errorf("another process put something into it while it was being created: %w", fs.ErrExist)

// MkdirAll opens a directory below and makes what is missing of the way there.
// made, if it is not nil, is called with each directory that was made.
func (d *Dir) MkdirAll(name string, perm fs.FileMode, made func(*Dir) error) (*Dir, error) {
	if err := d.check("mkdir", name); err != nil {
		return nil, err
	}
	at, err := d.OpenDir(".")
	if err != nil {
		return nil, err
	}
	for _, part := range strings.Split(filepath.Clean(name), "/") {
		if part == "." {
			continue
		}
		next, err := at.Mkdir(part, perm)
		switch {
		case err == nil && made != nil:
			err = made(next)
		case errors.Is(err, fs.ErrExist):
			next, err = at.OpenDir(part)
		}
		at.Close()
		if err != nil {
			if next != nil {
				next.Close()
			}
			return nil, err
		}
		at = next
	}
	return at, nil
}

// parent opens the directory that has name in it. For a name of one component
// that is d itself: tens of thousands of files are linked one after the other.
func (d *Dir) parent(name string) (*Dir, string, error) {
	if err := d.check("open", name); err != nil {
		return nil, "", err
	}
	dir, base := filepath.Split(filepath.Clean(name))
	if base == "." {
		return nil, "", &fs.PathError{Op: "open", Path: d.path, Err: fs.ErrInvalid}
	}
	if dir == "" {
		return &Dir{f: d.f, path: d.path, borrowed: true}, base, nil
	}
	p, err := d.OpenDir(filepath.Clean(dir))
	return p, base, err
}

// check refuses names that lead out of the directory by themselves.
func (d *Dir) check(op, name string) error {
	if !filepath.IsLocal(name) || strings.ContainsRune(name, 0) {
		return &fs.PathError{Op: op, Path: d.join(name), Err: fs.ErrInvalid}
	}
	return nil
}

// open opens name; want is the kind that an error names.
func (d *Dir) open(op, name string, flags int, perm uint32, want string) (int, error) {
	if err := d.check(op, name); err != nil {
		return -1, err
	}
	name = filepath.Clean(name)
	fd, err := openBelow(d.fd(), name, flags, perm)
	if err != nil {
		return -1, d.explain(op, name, err, want)
	}
	return fd, nil
}

// explain finds out which component was of the wrong kind: the kernel says
// "too many levels of symbolic links" or "not a directory" of the whole name.
func (d *Dir) explain(op, name string, err error, want string) error {
	plain := &fs.PathError{Op: op, Path: d.join(name), Err: err}
	if !errors.Is(err, unix.ELOOP) && !errors.Is(err, unix.ENOTDIR) && !errors.Is(err, unix.EXDEV) && !errors.Is(err, unix.EMLINK) {
		return plain
	}
	at, aerr := unix.Dup(d.fd())
	if aerr != nil {
		return plain
	}
	defer func() { unix.Close(at) }()
	parts := strings.Split(name, "/")
	for i, part := range parts {
		path := d.join(strings.Join(parts[:i+1], "/"))
		info, err := fstatat(at, part, path)
		switch {
		case err != nil:
			return plain
		case info.Mode&fs.ModeSymlink != 0:
			return &LinkError{path, readlink(at, part)}
		case i == len(parts)-1:
			return &KindError{path, want, info.Mode}
		case !info.Mode.IsDir():
			return &KindError{path, "a directory", info.Mode}
		}
		next, err := unix.Openat(at, part, dirFlags, 0)
		if err != nil {
			return plain
		}
		unix.Close(at)
		at = next
	}
	return plain
}

func readlink(dirfd int, name string) string {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dirfd, name, buf)
	if err != nil {
		return ""
	}
	return string(buf[:n])
}
