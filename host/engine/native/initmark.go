package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/odpm/odpm/host/datadir"
	"github.com/odpm/odpm/shared/regular"
)

// initMark is a file below .odpm/state that is there while initdb works. It
// names the directory, so that a run after a crash knows that what is in there
// never became a cluster, and initdb itself has it locked: a killed odpm leaves
// its initdb running.
const initMark = "initdb"

func (e *Reader) markPath() string { return filepath.Join(e.o.StateDir, initMark) }

// inodeOf names a directory so that another one of the same path is not meant.
func inodeOf(dir string) (string, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return "", err
	}
	st := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%d:%d", st.Dev, st.Ino), nil
}

// look is datadir.Look that takes what a cut-short initdb of ours left for the
// empty directory that it began with.
func (e *Reader) look() datadir.Facts {
	f := datadir.Look(e.o.DataDir, e.o.Major)
	if f.State != datadir.Initialised && f.State != datadir.Unfinished && f.State != datadir.Other {
		return f
	}
	mark, err := os.ReadFile(e.markPath())
	if err != nil {
		return f
	}
	if name, err := inodeOf(e.clusterDir()); err == nil && name == string(mark) && !e.used(e.clusterDir()) {
		f.State, f.Major, f.SystemIdentifier, f.Reason = datadir.Empty, 0, "", "an initdb that was cut short will be run again"
	}
	return f
}

// used: a server has run here, or somebody made a database. A directory that
// was marked when somebody else went on with it is theirs.
func (e *Reader) used(dir string) bool {
	pm, err := readPostmaster(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return true
	case pm.single: // initdb's own backends are single-user sessions
	case pm.empty() && datadir.Look(e.o.DataDir, e.o.Major).State == datadir.Unfinished:
		// Whose it was is unknown, but no server runs on what initdb has not finished.
	default:
		return true
	}
	root, err := regular.OpenRoot(dir)
	if err != nil {
		return true
	}
	defer root.Close()
	// FirstNormalObjectId of src/include/access/transam.h
	n, err := datadir.Databases(root, ".", 16384)
	return n > 0 || err != nil && !errors.Is(err, os.ErrNotExist)
}

// initRuns tells whether an initdb of ours is at work on this directory.
func (e *Reader) initRuns() bool {
	mark, err := os.OpenFile(e.markPath(), os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer mark.Close()
	text, err := io.ReadAll(io.LimitReader(mark, 256))
	if name, nerr := inodeOf(e.clusterDir()); err != nil || nerr != nil || name != string(text) {
		return false
	}
	return errors.Is(syscall.Flock(int(mark.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

// markInit takes the mark for a directory that exists, and empties the
// directory where a cut-short initdb left something. It waits for one that is
// still at work.
func (e *Engine) markInit(ctx context.Context, dir string) (*os.File, error) {
	mark, err := os.OpenFile(e.markPath(), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(mark.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
		select {
		case <-ctx.Done():
			mark.Close()
			return nil, fmt.Errorf("the initdb of a run that was killed is still working in %s: %w", dir, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
	var name string
	if err == nil {
		name, err = inodeOf(dir)
	}
	var old []byte
	if err == nil {
		old, err = io.ReadAll(io.LimitReader(mark, 256))
	}
	if err == nil && string(old) == name && !e.used(dir) {
		err = empty(dir)
	}
	if err == nil {
		err = errors.Join(mark.Truncate(0), writeAt(mark, name), mark.Sync())
	}
	if err != nil {
		mark.Close()
		return nil, err
	}
	return mark, nil
}

func writeAt(f *os.File, s string) error {
	_, err := f.WriteAt([]byte(s), 0)
	return err
}

// empty removes what initdb made, as initdb does itself when it fails.
func empty(dir string) error {
	root, err := regular.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	d, err := root.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if datadir.Ignorable(name) {
			continue
		}
		if err := root.RemoveAll(name); err != nil {
			return fmt.Errorf("remove what an initdb that was cut short left: %w", err)
		}
	}
	return nil
}
