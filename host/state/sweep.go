package state

import (
	"errors"
	"path/filepath"
	"time"

	"github.com/odpm/odpm/shared/beneath"
	"github.com/odpm/odpm/shared/durable"
)

// writerLives is far longer than it takes to write one of our files. A checker
// that is at it in a container holds no lock of odpm's: its file's age is all that tells.
const writerLives = 10 * time.Minute

const (
	// sweptDepth is how deep odpm's own directories are nested below .odpm.
	sweptDepth = 2
	// sweptEntries are looked at, far more than odpm leaves: a container may
	// make any number.
	sweptEntries = 10000
)

// Sweep removes the temporary files that writers which were killed left below
// .odpm and beside the files that are named: those whose last write is longer
// ago than any writer lives. Nothing depends on it, so what cannot be removed
// is no error. Whoever calls it holds the project's lock.
func (d Dirs) Sweep(files ...string) {
	if at, err := beneath.Open(filepath.Dir(d.State())); err == nil {
		left := sweptEntries
		sweep(at, sweptDepth, &left, durable.IsTemporary)
		at.Close()
	}
	for _, path := range files {
		// What is written is the file that a link leads to.
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		if at, err := beneath.Open(filepath.Dir(path)); err == nil {
			left := sweptEntries
			sweep(at, 0, &left, func(name string) bool { return durable.IsTemporaryOf(filepath.Base(path), name) })
			at.Close()
		}
	}
}

// sweep does not follow links: a container may write in one of the directories.
func sweep(at *beneath.Dir, depth int, left *int, temporary func(name string) bool) {
	_ = at.Each(func(name string, info beneath.Info) error {
		if *left--; *left < 0 {
			return errors.New("enough")
		}
		switch {
		case info.Mode.IsRegular() && temporary(name) && time.Since(info.Modified) > writerLives:
			_ = at.Remove(name)
		case info.Mode.IsDir() && depth > 0:
			if sub, err := at.OpenDir(name); err == nil {
				sweep(sub, depth-1, left, temporary)
				sub.Close()
			}
		}
		return nil
	})
}
