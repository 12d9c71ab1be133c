//go:build !linux

package beneath

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

func (d *Dir) openRegular(name string) (int, Info, error) {
	info, err := d.Lstat(name)
	if err != nil {
		return -1, Info{}, err
	}
	if info.Mode&fs.ModeSymlink != 0 {
		return -1, Info{}, d.explain("open", name, unix.ELOOP, "a regular file")
	}
	if !info.Mode.IsRegular() {
		return -1, Info{}, &KindError{d.join(name), "a regular file", info.Mode}
	}
	return d.openCompared(name, info)
}

func renameNew(from int, a string, into int, b string) error { return renameChecked(from, a, into, b) }

func linkOpen(*os.File, int, string) error { return unix.ENOTSUP }
