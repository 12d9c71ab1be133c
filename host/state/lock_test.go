package state

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// nobody is another user of the machine.
const nobody = 65534

// shared is a directory in which everybody may make locks.
func shared(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	locks := filepath.Join(dir, "locks")
	if err := makeLocksDir(locks); err != nil {
		t.Fatal(err)
	}
	return locks
}

// TestLockFollowsNobody: another user swaps the lock for a link to somebody's
// file, or for another name of it, all the time.
func TestLockFollowsNobody(t *testing.T) {
	locks := shared(t)
	victim := filepath.Join(filepath.Dir(locks), "shadow")
	if err := os.WriteFile(victim, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(locks, "x")
	plain, link, hard := filepath.Join(locks, "plain"), filepath.Join(locks, "link"), filepath.Join(locks, "hard")
	var stop atomic.Bool
	var swaps sync.WaitGroup
	swaps.Go(func() {
		for !stop.Load() {
			os.WriteFile(plain, nil, 0o666)
			if os.Geteuid() == 0 {
				os.Chown(plain, nobody, nobody)
			}
			os.Rename(plain, path)
			os.Symlink(victim, link)
			os.Rename(link, path)
			os.Link(victim, hard)
			os.Rename(hard, path)
			os.Remove(path)
		}
	})
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		l := &Lock{}
		_ = l.take(path, "x", "odpm", everybody)
		l.Unlock()
		info, err := os.Stat(victim)
		text, _ := os.ReadFile(victim)
		if err != nil || info.Mode().Perm() != 0o600 || string(text) != "secret\n" {
			stop.Store(true)
			swaps.Wait()
			t.Fatalf("the victim's file has mode %04o and holds %q", info.Mode().Perm(), text)
		}
	}
	stop.Store(true)
	swaps.Wait()
}

// TestLockRefuses: what is no file of odpm's is named with the command that
// takes it away.
func TestLockRefuses(t *testing.T) {
	locks := shared(t)
	path := filepath.Join(locks, "x")
	other := filepath.Join(filepath.Dir(locks), "other")
	os.WriteFile(other, []byte("text"), 0o600)
	for want, make := range map[string]func() error{
		"a symbolic link": func() error { return os.Symlink(other, path) },
		"a pipe":          func() error { return syscall.Mkfifo(path, 0o666) },
		"a directory":     func() error { return os.Mkdir(path, 0o777) },
		"a hard link of":  func() error { return os.Link(other, path) },
		// As another name of somebody's file looks once its first name is gone.
		"not open to everybody": func() error { return os.WriteFile(path, []byte("text"), 0o600) },
	} {
		if err := make(); err != nil {
			t.Fatal(err)
		}
		l := &Lock{}
		err := l.take(path, "x", "odpm", everybody)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasSuffix(err.Error(), "mv "+path+" "+path+".aside") {
			t.Errorf("%s: %v", want, err)
		}
		os.Remove(path)
	}
	if text, _ := os.ReadFile(other); string(text) != "text" {
		t.Errorf("%q", text)
	}
}

// TestLocksDirectory: what another user has put in its place is not used, nor
// is one in which everybody may remove everybody's locks.
func TestLocksDirectory(t *testing.T) {
	dir := t.TempDir()
	path, target := filepath.Join(dir, "locks"), filepath.Join(dir, "target")
	os.Mkdir(target, 0o777)
	for _, make := range []func() error{
		func() error { return os.Symlink(target, path) },
		func() error { return os.WriteFile(path, nil, 0o666) },
		func() error { return syscall.Mkfifo(path, 0o666) },
	} {
		if err := make(); err != nil {
			t.Fatal(err)
		}
		if err := makeLocksDir(path); err == nil || !strings.Contains(err.Error(), "is not a directory") {
			t.Error(err)
		}
		if err := (&Lock{}).take(filepath.Join(path, "x"), "x", "odpm", everybody); err == nil {
			t.Error("a lock was made in it")
		}
		os.Remove(path)
	}
	if found, _ := os.ReadDir(target); len(found) > 0 {
		t.Errorf("the link was followed: %v", found)
	}
	if os.Geteuid() != 0 {
		return
	}
	os.Mkdir(path, 0o777)
	os.Chmod(path, 0o777)
	os.Chown(path, nobody, nobody)
	if err := makeLocksDir(path); err == nil || !strings.Contains(err.Error(), "sudo chmod 1777 ") {
		t.Error(err)
	}
	os.Chmod(path, 0o777|os.ModeSticky)
	if err := makeLocksDir(path); err != nil {
		t.Error(err)
	}
}

// TestLockIsRemoved: nothing stays behind, and who waits for it is never
// served by a file that is gone.
func TestLockIsRemoved(t *testing.T) {
	locks := shared(t)
	path := filepath.Join(locks, "x")
	var has, both atomic.Int32
	var runs sync.WaitGroup
	for range 8 {
		runs.Go(func() {
			for n := 0; n < 50; {
				l := &Lock{}
				err := l.take(path, "x", "odpm", everybody)
				var busy *Busy
				if errors.As(err, &busy) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if has.Add(1) > 1 {
					both.Add(1)
				}
				n++
				has.Add(-1)
				l.Unlock()
			}
		})
	}
	runs.Wait()
	if n := both.Load(); n > 0 {
		t.Errorf("two had it at once, %d times", n)
	}
	if found, _ := os.ReadDir(locks); len(found) > 0 {
		t.Errorf("it stays: %v", found)
	}
}

// TestLockOfAnotherUser: a lock that another user has made is taken and held,
// and its holder is named.
func TestLockOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		return // nobody else's files can be made
	}
	locks := shared(t)
	path := filepath.Join(locks, "x")
	other := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", `umask 077; : >"$1" && chmod 666 "$1"`, "sh", path)
	// No further than the directory of all temporary files: others depend on its mode.
	for dir := filepath.Dir(locks); len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o755)
	}
	if out, err := other.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l := &Lock{}
	if err := l.take(path, "x", "odpm of root", everybody); err != nil {
		t.Fatal(err)
	}
	if err := (&Lock{}).take(path, "x", "odpm", everybody); err == nil || !strings.Contains(err.Error(), "odpm of root") {
		t.Error(err)
	}
	l.Unlock()
}

// TestLockHoldsWithoutItsFile: whoever owns the directory of the locks removes
// one that is held. Who may open the data directory is kept out by that.
func TestLockHoldsWithoutItsFile(t *testing.T) {
	data := t.TempDir()
	one, two := NewDirs(t.TempDir()), NewDirs(t.TempDir())
	l, err := one.LockProject(data, "odpm one")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Unlock()
	path, err := dataDirLock(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Unlink(path); err != nil {
		t.Fatal(err)
	}
	var busy *Busy
	if _, err := two.LockProject(data, "odpm two"); !errors.As(err, &busy) {
		t.Errorf("two have it: %v", err)
	}
}
