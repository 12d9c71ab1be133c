package beneath

import (
	"io/fs"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Info is what the file system says about an entry itself, never about what a
// link points to.
type Info struct {
	// Mode has the type and the permission bits.
	Mode fs.FileMode
	// Size is in bytes.
	Size     int64
	UID, GID int
	// Links is how many names a file has.
	Links    uint64
	Modified time.Time

	dev, ino uint64
}

// Same says whether both describe the same file or directory.
func (i Info) Same(other Info) bool { return i.dev == other.dev && i.ino == other.ino }

// SameDevice says whether both are on the same mounted file system.
func (i Info) SameDevice(other Info) bool { return i.dev == other.dev }

// Stat describes an open file.
func Stat(f *os.File) (Info, error) {
	defer runtime.KeepAlive(f)
	return fstat(int(f.Fd()), f.Name())
}

// Lstat describes an entry.
func (d *Dir) Lstat(name string) (Info, error) {
	parent, base, err := d.parent(name)
	if err != nil {
		return Info{}, err
	}
	defer parent.Close()
	return fstatat(parent.fd(), base, d.join(name))
}

// Readlink is what a symbolic link says: text of whoever made it.
func (d *Dir) Readlink(name string) (string, error) {
	info, err := d.Lstat(name)
	if err != nil {
		return "", err
	}
	if info.Mode&fs.ModeSymlink == 0 {
		return "", &KindError{d.join(name), "a symbolic link", info.Mode}
	}
	parent, base, err := d.parent(name)
	if err != nil {
		return "", err
	}
	defer parent.Close()
	return readlink(parent.fd(), base), nil
}

func fstat(fd int, path string) (Info, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return Info{}, &fs.PathError{Op: "fstat", Path: path, Err: err}
	}
	return infoOf(&st), nil
}

func fstatat(dirfd int, name, path string) (Info, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return Info{}, &fs.PathError{Op: "fstatat", Path: path, Err: err}
	}
	return infoOf(&st), nil
}

func infoOf(st *unix.Stat_t) Info {
	mode := fs.FileMode(st.Mode & 0o777)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	case unix.S_IFIFO:
		mode |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		mode |= fs.ModeSocket
	case unix.S_IFCHR:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFBLK:
		mode |= fs.ModeDevice
	}
	return Info{
		Mode: mode, Size: st.Size, UID: int(st.Uid), GID: int(st.Gid), Links: uint64(st.Nlink),
		Modified: time.Unix(st.Mtim.Unix()), dev: uint64(st.Dev), ino: uint64(st.Ino),
	}
}
