package beneath

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// openRegular finds the file with O_PATH, which opens nothing, looks at it and
// only then opens that very file. What is not a regular file is given back as
// the O_PATH descriptor.
func (d *Dir) openRegular(name string) (int, Info, error) {
	fd, err := d.open("open", name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0, "a regular file")
	if err != nil {
		return -1, Info{}, err
	}
	info, err := fstat(fd, d.join(name))
	if err != nil {
		unix.Close(fd)
		return -1, Info{}, err
	}
	if info.Mode&fs.ModeSymlink != 0 {
		unix.Close(fd)
		return -1, Info{}, d.explain("open", name, unix.ELOOP, "a regular file")
	}
	if !info.Mode.IsRegular() {
		return fd, info, nil
	}
	defer unix.Close(fd)
	read, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		// There is no /proc: it is opened by its name and compared.
		return d.openCompared(name, info)
	}
	if err != nil {
		return -1, Info{}, &fs.PathError{Op: "open", Path: d.join(name), Err: err}
	}
	return read, info, nil
}

func renameNew(from int, a string, into int, b string) error {
	err := unix.Renameat2(from, a, into, b, unix.RENAME_NOREPLACE)
	if err == unix.EINVAL || err == unix.ENOSYS {
		return renameChecked(from, a, into, b)
	}
	return err
}

// linkOpen goes through /proc: a link of the descriptor itself (AT_EMPTY_PATH)
// takes CAP_DAC_READ_SEARCH.
func linkOpen(f *os.File, into int, name string) error {
	err := unix.Linkat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(int(f.Fd())), into, name, unix.AT_SYMLINK_FOLLOW)
	runtime.KeepAlive(f)
	return err
}
