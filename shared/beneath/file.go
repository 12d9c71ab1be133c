package beneath

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// OpenRegular opens a regular file to read it. Nothing else is opened, not even
// for a moment: to open a named pipe may wait for ever, and to open a device may
// have an effect of its own (a watchdog is armed, a tape rewound).
func (d *Dir) OpenRegular(name string) (*os.File, Info, error) {
	fd, info, err := d.openRegular(name)
	if err != nil {
		return nil, Info{}, err
	}
	if !info.Mode.IsRegular() {
		unix.Close(fd)
		return nil, Info{}, &KindError{d.join(name), "a regular file", info.Mode}
	}
	return os.NewFile(uintptr(fd), d.join(name)), info, nil
}

// ReadFile reads a regular file of at most limit bytes; a larger one is an
// error that is ErrTooLarge.
func (d *Dir) ReadFile(name string, limit int64) ([]byte, error) {
	f, _, err := d.OpenRegular(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = &fs.PathError{Op: "read", Path: d.join(name), Err: fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)}
	}
	return data, err
}

// ErrTooLarge is a file with more bytes than its reader takes.
var ErrTooLarge = errors.New("the file is too large")

// Create makes a file that is not there yet and opens it for writing.
func (d *Dir) Create(name string, perm fs.FileMode) (*os.File, error) {
	fd, err := d.open("create", name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(perm.Perm()), "a regular file")
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), d.join(name)), nil
}

// WriteFile gives name this content, durably: a new file, fsync, rename, fsync
// of the directory. What is there is replaced, a link as well, but not a
// directory. uid and gid are the new file's owner, -1 leaves them as they are.
func (d *Dir) WriteFile(name string, data []byte, perm fs.FileMode, uid, gid int) (err error) {
	parent, base, err := d.parent(name)
	if err != nil {
		return err
	}
	defer parent.Close()
	tmp := "." + base[:min(len(base), 200)] + "." + token() + ".tmp"
	f, err := parent.Create(tmp, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			_ = unix.Unlinkat(parent.fd(), tmp, 0)
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if uid >= 0 {
		if err = f.Chown(uid, gid); err != nil {
			return err
		}
	}
	if err = errors.Join(f.Chmod(perm), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = unix.Renameat(parent.fd(), tmp, parent.fd(), base); err != nil {
		return &fs.PathError{Op: "rename", Path: d.join(name), Err: err}
	}
	return parent.Sync()
}

func token() string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// Link gives a file of d another name, in to. A link is not followed: it would
// get the name itself.
func (d *Dir) Link(name string, to *Dir, newName string) error {
	return d.pair("link", name, to, newName, func(from int, a string, into int, b string) error {
		return unix.Linkat(from, a, into, b, 0)
	})
}

// Rename moves an entry; what has the new name already is left alone, and the
// error is fs.ErrExist.
func (d *Dir) Rename(name string, to *Dir, newName string) error {
	return d.pair("rename", name, to, newName, renameNew)
}

func (d *Dir) pair(op, name string, to *Dir, newName string, do func(from int, a string, into int, b string) error) error {
	from, a, err := d.parent(name)
	if err != nil {
		return err
	}
	defer from.Close()
	into, b, err := to.parent(newName)
	if err != nil {
		return err
	}
	defer into.Close()
	if err := do(from.fd(), a, into.fd(), b); err != nil {
		return &os.LinkError{Op: op, Old: d.join(name), New: to.join(newName), Err: err}
	}
	return nil
}

// renameChecked is for systems that cannot refuse to replace by themselves.
func renameChecked(from int, a string, into int, b string) error {
	var st unix.Stat_t
	switch err := unix.Fstatat(into, b, &st, unix.AT_SYMLINK_NOFOLLOW); {
	case err == nil:
		return unix.EEXIST
	case err != unix.ENOENT:
		return err
	}
	return unix.Renameat(from, a, into, b)
}

// Remove removes a file or an empty directory.
func (d *Dir) Remove(name string) error {
	parent, base, err := d.parent(name)
	if err != nil {
		return err
	}
	defer parent.Close()
	return parent.remove(base)
}

// remove removes what is in the directory itself.
func (d *Dir) remove(base string) error {
	err := unix.Unlinkat(d.fd(), base, 0)
	if err == unix.EISDIR || err == unix.EPERM {
		if derr := unix.Unlinkat(d.fd(), base, unix.AT_REMOVEDIR); derr != unix.ENOTDIR {
			err = derr
		}
	}
	if err != nil {
		return &fs.PathError{Op: "remove", Path: d.join(base), Err: err}
	}
	return nil
}
