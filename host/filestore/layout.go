// Package filestore does all work on the file stores of Odoo's databases. What
// Odoo's container can write is hostile to the host: a file store may have been
// replaced by a link to another one or to /etc, a file by a named pipe, at any
// moment. So everything here is done below a directory that only the host can
// exchange, by descriptor (package beneath), and no link is followed.
//
// A person may have a file store on another disk anyway. A link that
// leads there says nothing, since a container could have made it; .env does,
// where no container can write (Layout.Dir, Layout.Databases).
package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/odpm/odpm/shared/beneath"
	"github.com/odpm/odpm/shared/shell"
)

// Layout says where a project's file stores are. Its paths are absolute, and
// what leads to them can be written by the host alone.
type Layout struct {
	// DataDir is Odoo's data_dir on this machine. The container can write
	// everything below it, but not exchange it.
	DataDir string
	// Dir is ODOO_FILESTORE_DIR: the directory that has the file stores in it,
	// "" for filestore below DataDir.
	Dir string
	// Databases are the file stores of single databases: ODOO_FILESTORE_DIRS.
	Databases map[string]string
	// Linked: Odoo runs on this machine and finds what .env names by a link in
	// its data_dir; a container has it mounted.
	Linked bool
	// EnvFile is the .env that an error tells a person to write to.
	EnvFile string
}

const dirName = "filestore"

// Root is the directory that has the file stores in it.
func (l Layout) Root() string {
	if l.Dir != "" {
		return l.Dir
	}
	return filepath.Join(l.DataDir, dirName)
}

// Path is a database's file store, whether it is there or not.
func (l Layout) Path(database string) string {
	if dir := l.Databases[database]; dir != "" {
		return dir
	}
	return filepath.Join(l.Root(), database)
}

// Recorded: .env names this database's file store itself. Such a directory is
// emptied and never removed: a missing one is a disk that is not mounted.
func (l Layout) Recorded(database string) bool { return l.Databases[database] != "" }

// Named are the directories that .env names, which Odoo's container has mounted.
func (l Layout) Named() []string {
	var dirs []string
	if l.Dir != "" {
		dirs = append(dirs, l.Dir)
	}
	for _, database := range slices.Sorted(maps.Keys(l.Databases)) {
		dirs = append(dirs, l.Databases[database])
	}
	return dirs
}

// Prepare makes what the mounts of named directories need around them. A named
// directory that is missing is an error.
func (l Layout) Prepare(owner *Owner) error {
	for _, database := range slices.Sorted(maps.Keys(l.Databases)) {
		live, err := openNamed("ODOO_FILESTORE_DIRS", l.Databases[database])
		if err != nil {
			return err
		}
		live.Close()
	}
	if len(l.Databases) == 0 && l.Dir == "" {
		return nil
	}
	h, err := l.MakeHome("", owner)
	if err != nil {
		return err
	}
	return h.Close()
}

// Home is the open directory in which a database's file store has its name,
// and in which another one is made to take its place by a rename.
type Home struct {
	dir *beneath.Dir
	// Live is the file store's name.
	Live string

	layout   Layout
	database string
}

// Home opens the directory that has a database's file store in it. The error
// is fs.ErrNotExist where Odoo has none yet.
func (l Layout) Home(database string) (*Home, error) { return l.home(database, nil, false) }

// MakeHome makes it where it is missing and no disk of its own, for owner if
// that is not nil.
func (l Layout) MakeHome(database string, owner *Owner) (*Home, error) {
	return l.home(database, owner, true)
}

func (l Layout) home(database string, owner *Owner, make bool) (*Home, error) {
	h := &Home{Live: database, layout: l, database: database}
	var err error
	switch {
	case l.Recorded(database):
		err = h.openRecorded(l.Databases[database])
	case l.Dir != "":
		h.dir, err = openNamed("ODOO_FILESTORE_DIR", l.Dir)
		if err == nil {
			err = l.linked(filepath.Join(l.DataDir, dirName), h.dir)
		}
	default:
		h.dir, err = l.openDefault(owner, make)
	}
	if err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

// Reopen opens the Home that an interrupted run has noted: path is what its
// Path was, live its Live. The live file store may be missing.
func (l Layout) Reopen(database, path, live string) (*Home, error) {
	h := &Home{Live: live, layout: l, database: database}
	var err error
	switch {
	case path == filepath.Join(l.DataDir, dirName):
		h.dir, err = l.openDefault(nil, false)
	case l.below(path):
		err = fmt.Errorf("%s is where Odoo's container can write, and no directory that file stores are made in", path)
	default:
		h.dir, err = beneath.Open(path)
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

// openDefault opens filestore in Odoo's data_dir.
func (l Layout) openDefault(owner *Owner, make bool) (*beneath.Dir, error) {
	if make {
		if err := os.MkdirAll(l.DataDir, 0o755); err != nil {
			return nil, err
		}
	}
	data, err := beneath.Open(l.DataDir)
	if err != nil {
		return nil, err
	}
	defer data.Close()
	var dir *beneath.Dir
	if make {
		dir, err = data.MkdirAll(dirName, 0o755, owner.own)
	} else {
		dir, err = data.OpenDir(dirName)
	}
	return dir, l.unrecorded(err, "")
}

// openRecorded opens the parent of a database's own directory, of which the
// container has the directory alone.
func (h *Home) openRecorded(path string) error {
	live, err := openNamed("ODOO_FILESTORE_DIRS", path)
	if err != nil {
		return err
	}
	defer live.Close()
	if err := h.layout.linked(filepath.Join(h.layout.DataDir, dirName, h.database), live); err != nil {
		return err
	}
	// The way there is the host's, links in it as well.
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	h.Live = filepath.Base(real)
	h.dir, err = beneath.Open(filepath.Dir(real))
	return err
}

// openNamed opens a directory that .env names. That it is missing is never
// taken for a file store that is not there yet: its disk may not be mounted.
func openNamed(key, path string) (*beneath.Dir, error) {
	dir, err := beneath.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s in .env names %s, which does not exist; mount its disk, or create it with the owner that Odoo runs as: sudo mkdir -p %s", key, path, shell.Quote(path))
	}
	if err != nil {
		return nil, fmt.Errorf("%s in .env: %w", key, err)
	}
	return dir, nil
}

// linked: an Odoo on this machine uses the directory too, by a link in its
// data_dir. The link is compared with what .env says, and never believed.
func (l Layout) linked(link string, dir *beneath.Dir) error {
	if !l.Linked {
		return nil
	}
	here, err := os.Stat(dir.Path())
	if err != nil {
		return err
	}
	there, err := os.Stat(link)
	if err == nil && os.SameFile(here, there) {
		return nil
	}
	way := "ln -s " + shell.Quote(dir.Path()) + " " + shell.Quote(link)
	if _, lerr := os.Lstat(link); lerr == nil {
		way = "mv " + shell.Quote(link) + " " + shell.Quote(link+".aside") + " && " + way
	}
	return fmt.Errorf("the Odoo of this machine looks for its files in %s, which does not lead to %s that .env names; with Odoo stopped: %s", link, dir.Path(), way)
}

// Close may be called on nil.
func (h *Home) Close() error {
	if h == nil || h.dir == nil {
		return nil
	}
	return h.dir.Close()
}

// Path is the directory's path, to show and to record.
func (h *Home) Path() string { return h.dir.Path() }

// At is the path of a name in it, to show.
func (h *Home) At(name string) string { return filepath.Join(h.dir.Path(), name) }
