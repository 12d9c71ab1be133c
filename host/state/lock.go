package state

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/odpm/odpm/host/process"
	"github.com/odpm/odpm/shared/regular"
	"github.com/odpm/odpm/shared/shell"
	"github.com/odpm/odpm/shared/snapshot"
)

// Busy is somebody else's run.
type Busy struct {
	What string
	// Holder is what the lock file says: pid, command, since when. PID is 0, and
	// Holder empty, where it says nothing that is true.
	Holder string
	PID    int
}

func (b *Busy) Error() string {
	if b.PID == 0 {
		return b.What + " is in use by another run. Wait for it to finish, or find it: ps -C odpm"
	}
	return fmt.Sprintf("%s is in use by %s. Wait for it to finish, or inspect it: ps -p %d", b.What, b.Holder, b.PID)
}

// Lock is held until Unlock, or until the process ends, however it ends.
type Lock struct{ locks []held }

// held is one locked file.
type held struct {
	file *os.File
	// dir and name are where it lies, for one that Unlock removes.
	dir  *os.File
	name string
}

// Unlock releases everything.
func (l *Lock) Unlock() {
	for i := len(l.locks) - 1; i >= 0; i-- {
		h := l.locks[i]
		if h.dir != nil {
			// While it is still locked, so that nobody else has it. In a sticky
			// directory only its owner may, and the next of his runs does.
			if same(h.file, h.dir, h.name) {
				_ = unix.Unlinkat(int(h.dir.Fd()), h.name, 0)
			}
			h.dir.Close()
		}
		h.file.Close()
	}
	l.locks = nil
}

// LockProject takes the project's lock and the data directory's: a second
// project that points at the same directory waits for neither, it is refused.
// command is what the holder is shown to be doing.
func (d Dirs) LockProject(dataDir, command string) (*Lock, error) {
	if err := EnsureDir(d.State(), 0o700); err != nil {
		return nil, err
	}
	l := &Lock{}
	if err := l.take(filepath.Join(d.State(), "lock"), "this project", command, 0o600); err != nil {
		return nil, err
	}
	if dataDir == "" {
		return l, nil
	}
	path, err := dataDirLock(dataDir)
	if err == nil {
		err = l.take(path, "the data directory "+dataDir, command, 0o666)
	}
	if err == nil {
		err = l.takeDir(dataDir)
	}
	if err != nil {
		l.Unlock()
		return nil, err
	}
	return l, nil
}

// take locks a file that it makes where there is none; one of mode 0666 is
// for every user of the machine, lies where everybody may write, and is
// removed by Unlock. Everything is done by descriptor: what is at path may be
// another file at any moment.
func (l *Lock) take(path, what, command string, mode os.FileMode) error {
	parent, err := os.OpenFile(filepath.Dir(path), os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	f, err := lockIn(parent, filepath.Base(path), mode)
	if err != nil {
		parent.Close()
		if errors.Is(err, errBusy) {
			b := &Busy{What: what}
			b.Holder, b.PID = holder(path)
			return b
		}
		if errors.Is(err, regular.ErrNotRegular) || errors.Is(err, errPrivate) {
			return fmt.Errorf("%s: %w; odpm does not lock it. Find out who created it, then %s", path, err, MoveAside(path))
		}
		return fmt.Errorf("lock %s: %w", path, err)
	}
	h := held{file: f}
	if mode == everybody {
		h.dir, h.name = parent, filepath.Base(path)
	} else {
		parent.Close()
	}
	l.locks = append(l.locks, h)
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "pid %d (%s) since %s\n", os.Getpid(), command, time.Now().Format(time.RFC3339))
	return err
}

// everybody is the mode of a lock that all users of the machine share.
const everybody os.FileMode = 0o666

var (
	errBusy = errors.New("another process holds it")
	// errPrivate: whoever makes a lock gives it to everybody at once. Another file is
	// of another mode, whatever its name leads to at the moment that it is looked at;
	// one that everybody may write is nobody's loss.
	errPrivate = errors.New("it is not open to everybody (mode 0666), as odpm makes a lock")
)

// lockIn opens and locks a file of a directory. The holder before may remove
// it at the same time; it is then taken anew.
func lockIn(dir *os.File, name string, mode os.FileMode) (*os.File, error) {
	var err error
	for range 100 {
		var f *os.File
		if f, err = openLock(dir, name, mode); err == nil {
			err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
			switch {
			case errors.Is(err, unix.EWOULDBLOCK):
				err = errBusy
			case err == nil && same(f, dir, name):
				if mode != everybody || isOpen(f) {
					return f, nil
				}
				err = errPrivate
			}
			f.Close()
		}
		switch {
		case err == nil, errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrExist), errors.Is(err, unix.EINTR):
		case errors.Is(err, errPrivate), errors.Is(err, os.ErrPermission) && mode == everybody:
			// Whoever makes it has not given it to everybody yet.
		default:
			return nil, err
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err == nil {
		err = errors.New("it is replaced again and again")
	}
	return nil, err
}

// openLock opens a file that is there, or makes it. In a sticky directory
// Linux refuses O_CREAT on another user's file (fs.protected_regular), so it is
// asked for only where there is none.
func openLock(dir *os.File, name string, mode os.FileMode) (*os.File, error) {
	const flag = unix.O_RDWR | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Openat(int(dir.Fd()), name, flag, 0)
	made := errors.Is(err, unix.ENOENT)
	if made {
		fd, err = unix.Openat(int(dir.Fd()), name, flag|unix.O_CREAT|unix.O_EXCL, uint32(mode))
	}
	switch {
	case errors.Is(err, unix.ELOOP):
		return nil, fmt.Errorf("it is a symbolic link, %w", regular.ErrNotRegular)
	case errors.Is(err, unix.EISDIR):
		return nil, fmt.Errorf("it is a directory, %w", regular.ErrNotRegular)
	case errors.Is(err, unix.ENXIO):
		return nil, fmt.Errorf("it is a socket, %w", regular.ErrNotRegular)
	case err != nil:
		return nil, err
	}
	f := os.NewFile(uintptr(fd), filepath.Join(dir.Name(), name))
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("it is %s, %w", regular.Kind(info.Mode()), regular.ErrNotRegular)
	case info.Sys().(*syscall.Stat_t).Nlink > 1:
		// Another name of somebody's file, which would be written over.
		err = fmt.Errorf("it is a hard link of another file, %w to odpm", regular.ErrNotRegular)
	case made && mode == everybody:
		// The umask took the others' write permission; they must be able to lock too.
		err = f.Chmod(mode)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func isOpen(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode().Perm() == everybody
}

// same: the name still leads to the file.
func same(f, dir *os.File, name string) bool {
	var open, there unix.Stat_t
	return unix.Fstat(int(f.Fd()), &open) == nil && unix.Fstatat(int(dir.Fd()), name, &there, unix.AT_SYMLINK_NOFOLLOW) == nil &&
		open.Dev == there.Dev && open.Ino == there.Ino && there.Nlink == 1
}

// takeDir locks the data directory itself too, where this user may open it:
// whoever has made the directory of the locks can remove one that is held.
func (l *Lock) takeDir(dataDir string) error {
	f, err := os.OpenFile(dataDir, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil
	}
	if errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK) {
		f.Close()
		return &Busy{What: "the data directory " + dataDir}
	}
	l.locks = append(l.locks, held{file: f})
	return nil
}

// locksDir does not follow TMPDIR: two people with two values must meet at
// the same lock.
const locksDir = "/tmp/odpm-locks"

// dataDirLock names a lock that every path to one directory leads to: device
// and inode where the directory exists, else its parent's with its name. It
// lies in a directory that all users of the machine share, as a data
// directory may belong to nobody who runs odpm.
func dataDirLock(dataDir string) (string, error) {
	key := ""
	rest := ""
	for p := dataDir; ; p = filepath.Dir(p) {
		if info, err := os.Stat(p); err == nil {
			st := info.Sys().(*syscall.Stat_t)
			key = fmt.Sprintf("%d:%d:%s", st.Dev, st.Ino, rest)
			break
		}
		rest = filepath.Join(filepath.Base(p), rest)
		if p == filepath.Dir(p) {
			key = dataDir
			break
		}
	}
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(locksDir, hex.EncodeToString(sum[:12])), makeLocksDir(locksDir)
}

// makeLocksDir makes the directory that all users share, or looks whether
// somebody else's can be used: the owner of a lock must be the only one who can
// remove it.
func makeLocksDir(path string) error {
	if err := os.Mkdir(path, 0o1777); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("the locks of data directories are kept in %s, which cannot be made: %w", path, err)
	}
	dir, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return fmt.Errorf("%s is not a directory; odpm keeps the locks of data directories there (%w). Find out who created it, then: rm %s", path, err, shell.Quote(path))
	}
	defer dir.Close()
	for end := time.Now().Add(noteWait); ; time.Sleep(5 * time.Millisecond) {
		info, err := dir.Stat()
		if err != nil {
			return err
		}
		if info.Mode().Perm() == 0o777 && info.Mode()&os.ModeSticky != 0 {
			return nil
		}
		owner := int(info.Sys().(*syscall.Stat_t).Uid)
		if owner == os.Geteuid() {
			// The umask took the others' permission.
			return dir.Chmod(0o777 | os.ModeSticky)
		}
		// Whoever makes it has not given it to everybody yet, or never will.
		if time.Now().After(end) {
			return fmt.Errorf("%s belongs to user %d and has the mode %s; odpm keeps the locks of data directories there: every user of this machine must be able to create one, and only its owner to remove it. To change it: sudo chmod 1777 %s", path, owner, info.Mode(), shell.Quote(path))
		}
	}
}

// noteWait is how long a holder may take from the lock to its note.
const noteWait = 500 * time.Millisecond

// holder reads who has the lock. The note comes a moment after the lock, and
// until then it is the last holder's: one that names no living process is
// waited for.
func holder(path string) (note string, pid int) {
	for end := time.Now().Add(noteWait); ; time.Sleep(5 * time.Millisecond) {
		note = readNote(path)
		if _, err := fmt.Sscanf(note, "pid %d ", &pid); err == nil && process.Lives(pid) {
			return note, pid
		}
		if time.Now().After(end) {
			return "", 0
		}
	}
}

// readNote gives one line that a terminal can take: other users write to the
// locks of data directories too.
func readNote(path string) string {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	b, _ := io.ReadAll(io.LimitReader(f, 512))
	note := strings.TrimSpace(string(b))
	if !snapshot.Printable(note) {
		return ""
	}
	return note
}
