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

// Publish gives the file f, which was made in the directory as part, the name
// name there. What has that name already is left alone, and the error is
// fs.ErrExist. After success it is f's own file that has the name, whatever
// somebody else has put in part's place meanwhile, and part is gone if it still
// was that file.
func (d *Dir) Publish(f *os.File, part, name string) error {
	made, err := Stat(f)
	if err != nil {
		return err
	}
	parent, base, err := d.parent(name)
	if err != nil {
		return err
	}
	defer parent.Close()
	err = linkOpen(f, parent.fd(), base)
	switch {
	case err == nil:
		_, err = d.RemoveOnly(part, func(i Info) bool { return i.Same(made) })
	case errors.Is(err, fs.ErrExist):
		return &fs.PathError{Op: "link", Path: d.join(name), Err: err}
	default:
		// There is no /proc, or the file system has no hard links.
		return d.publishRenamed(made, part, name)
	}
	if err != nil {
		return err
	}
	return d.is(name, made)
}

// publishRenamed finds out afterwards whether part still was the file.
func (d *Dir) publishRenamed(made Info, part, name string) error {
	err := d.is(part, made)
	if err == nil {
		err = d.Rename(part, d, name)
	}
	if err != nil {
		return err
	}
	return d.is(name, made)
}

// is says with an error that name is not the file any more.
func (d *Dir) is(name string, made Info) error {
	now, err := d.Lstat(name)
	if err == nil && !now.Same(made) {
		err = &fs.PathError{Op: "publish", Path: d.join(name), Err: errors.New("another process has put a different file in its place")}
	}
	return err
}

// RemoveOnly removes an entry that is no directory if it is what ours says, and
// says whether it is gone. That there is nothing is no error.
func (d *Dir) RemoveOnly(name string, ours func(Info) bool) (gone bool, err error) {
	parent, base, err := d.parent(name)
	if err != nil {
		return false, err
	}
	defer parent.Close()
	switch info, err := fstatat(parent.fd(), base, d.join(name)); {
	case errors.Is(err, fs.ErrNotExist):
		return true, nil
	case err != nil:
		return false, err
	case !ours(info):
		return false, nil
	}
	err = unix.Unlinkat(parent.fd(), base, 0)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return false, &fs.PathError{Op: "remove", Path: d.join(name), Err: err}
	}
	return true, nil
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
