package beneath

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// openCompared opens the file that was looked at before, or nothing.
func (d *Dir) openCompared(name string, seen Info) (int, Info, error) {
	fd, err := d.open("open", name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0, "a regular file")
	if err != nil {
		return -1, Info{}, err
	}
	info, err := fstat(fd, d.join(name))
	if err == nil && !info.Same(seen) {
		err = &fs.PathError{Op: "open", Path: d.join(name), Err: errors.New("another process replaced it while it was being opened")}
	}
	if err == nil {
		err = unix.SetNonblock(fd, false)
	}
	if err != nil {
		unix.Close(fd)
		return -1, Info{}, err
	}
	return fd, info, nil
}
