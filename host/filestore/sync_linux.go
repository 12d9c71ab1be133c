package filestore

import (
	"golang.org/x/sys/unix"

	"github.com/odpm/odpm/shared/beneath"
)

// syncTree flushes the file system once instead of tens of thousands of files.
func syncTree(d *beneath.Dir) error { return unix.Syncfs(int(d.Fd())) }

func freeSpace(d *beneath.Dir) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(d.Fd()), &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil
}
