package archive

import (
	"io"
	"io/fs"
	"os"

	"github.com/odpm/odpm/shared/regular"
)

// folderSource is a backup that lies unpacked in a folder, as click-odoo writes
// it. No link in it is followed.
type folderSource struct{ root *os.Root }

func (s folderSource) parallel() bool { return true }

func (s folderSource) each(yield func(member) error) error {
	return fs.WalkDir(s.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name == "." {
			return nil
		}
		m := member{name: name, mode: d.Type(), open: func() (io.ReadCloser, error) { return regular.OpenIn(s.root, name) }}
		if d.Type().IsRegular() {
			info, err := d.Info()
			if err != nil {
				return err
			}
			m.size = info.Size()
		}
		return yield(m)
	})
}
