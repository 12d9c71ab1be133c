package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/host/odoodb/archive"
	"github.com/odpm/odpm/shared/beneath"
	"github.com/odpm/odpm/shared/shell"
)

// destination is the directory that an archive is written to. Others may write
// there too (a backup group, a share), so it is opened once, no link in it is
// followed, and an entry is only believed to be what odpm made if it is that
// very file.
type destination struct {
	dir *beneath.Dir
	// name is the archive's, part the unfinished one's.
	name, part string
	// file is the unfinished archive, nil before make.
	file *os.File
}

// openDestination opens the directory, which is made if it is not there.
func openDestination(path string) (*destination, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, noDirectory(err)
	}
	d, err := beneath.Open(dir)
	if err != nil {
		return nil, noDirectory(err)
	}
	dest := &destination{dir: d, name: filepath.Base(path)}
	// The system refuses to replace it too; this is before the work.
	_, err = d.Lstat(dest.name)
	if errors.Is(err, fs.ErrNotExist) {
		return dest, nil
	}
	d.Close()
	if err != nil {
		return nil, fmt.Errorf("name of the backup: %w", err)
	}
	return nil, &fileExistsError{path}
}

func noDirectory(err error) error {
	return fmt.Errorf("directory of backups: %w; set BACKUP_DIR to a directory that can be written to", err)
}

// make makes the unfinished archive.
func (d *destination) make(part string) (err error) {
	d.part = filepath.Base(part)
	if d.file, err = d.dir.Create(d.part, 0o600); err != nil {
		return noDirectory(err)
	}
	return nil
}

// written opens the unfinished archive to read what was written, and nothing
// else that has its name.
func (d *destination) written() (*archive.Archive, error) {
	f, now, err := d.dir.OpenRegular(d.part)
	if err != nil {
		return nil, err
	}
	made, err := d.made()
	if err == nil && !now.Same(made) {
		err = fmt.Errorf("%s was replaced by somebody else while the backup was written; set BACKUP_DIR to a directory where only you can write", f.Name())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return archive.From(f)
}

func (d *destination) made() (beneath.Info, error) { return beneath.Stat(d.file) }

// publish gives the archive its name, durably.
func (d *destination) publish() error {
	err := d.dir.Publish(d.file, d.part, d.name)
	if errors.Is(err, fs.ErrExist) {
		return &fileExistsError{filepath.Join(d.dir.Path(), d.name)}
	}
	if err != nil {
		return err
	}
	return d.dir.Sync()
}

// discard removes the unfinished archive, if it is there and still the one that
// was made, and the directory of copies.
func (d *destination) discard(ctx context.Context, copies string) error {
	if d.file == nil {
		return nil
	}
	made, err := d.made()
	if err != nil {
		return err
	}
	return errors.Join(removePart(d.dir, d.part, made.Same), filestore.RemoveCopies(ctx, d.dir, copies, made.UID))
}

func (d *destination) close() {
	if d.file != nil {
		d.file.Close()
	}
	d.dir.Close()
}

// removePart removes an unfinished archive.
func removePart(dir *beneath.Dir, part string, ours func(beneath.Info) bool) error {
	gone, err := dir.RemoveOnly(part, ours)
	if err == nil && !gone {
		path := filepath.Join(dir.Path(), part)
		err = fmt.Errorf("%s is not the unfinished archive that odpm made there, so it was left alone; look at it (ls -ld %s), then move it elsewhere", path, shell.Quote(path))
	}
	return err
}

// isDeadPart knows a killed backup's unfinished archive: a file of the one who
// wrote the journal, with no other name than perhaps the archive's own, since a
// kill may come between the new name and the end of the old one.
func isDeadPart(dir *beneath.Dir, name string, owner int) func(beneath.Info) bool {
	return func(i beneath.Info) bool {
		if !i.Mode.IsRegular() || i.UID != owner {
			return false
		}
		if i.Links == 1 {
			return true
		}
		twin, err := dir.Lstat(name)
		return i.Links == 2 && err == nil && twin.Same(i)
	}
}
