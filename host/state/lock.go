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

	"github.com/gofrs/flock"

	"github.com/odpm/odpm/host/process"
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
		return b.What + " is in use by another run. Wait for it to end, or look for it: ps -C odpm"
	}
	return fmt.Sprintf("%s is in use by %s. Wait for it to end, or look at it: ps -p %d", b.What, b.Holder, b.PID)
}

// Lock is held until Unlock, or until the process ends, however it ends.
type Lock struct{ locks []*flock.Flock }

// Unlock releases everything.
func (l *Lock) Unlock() {
	for i := len(l.locks) - 1; i >= 0; i-- {
		l.locks[i].Unlock()
	}
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
	if err != nil {
		l.Unlock()
		return nil, err
	}
	return l, nil
}

func (l *Lock) take(path, what, command string, mode os.FileMode) error {
	if err := refuseLink(path); err != nil {
		return err
	}
	// In a sticky directory Linux refuses O_CREAT on another user's file
	// (fs.protected_regular), so it is only asked for where there is none.
	flag := os.O_RDWR | syscall.O_NOFOLLOW
	if _, err := os.Lstat(path); err != nil {
		flag |= os.O_CREATE
	}
	f := flock.New(path, flock.SetFlag(flag), flock.SetPermissions(mode))
	ok, err := f.TryLock()
	if err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	if !ok {
		b := &Busy{What: what}
		b.Holder, b.PID = holder(path)
		return b
	}
	l.locks = append(l.locks, f)
	if mode == 0o666 {
		// The umask took the others' write permission; they must be able to lock too.
		_ = os.Chmod(path, mode)
	}
	note, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer note.Close()
	_, err = fmt.Fprintf(note, "pid %d (%s) since %s\n", os.Getpid(), command, time.Now().Format(time.RFC3339))
	return err
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
	dir := locksDir
	if err := os.Mkdir(dir, 0o1777); err == nil {
		_ = os.Chmod(dir, 0o777|os.ModeSticky)
	} else if !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("the locks of data directories are kept in %s, which cannot be made: %w", dir, err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%s is not a directory; odpm keeps the locks of data directories there. Look who made it, then: rm %s", dir, dir)
	}
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(dir, hex.EncodeToString(sum[:12])), nil
}

func refuseLink(path string) error {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file (%s); odpm does not lock it. Look who made it, then: rm %s", path, info.Mode().Type(), shell.Quote(path))
	}
	return nil
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
