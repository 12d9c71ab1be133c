package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/odpm/odpm/host/engine/native"
)

// image is an ext4 of its own in a file: a disk that can be filled up and that can
// lose its power.
type image struct{ file, dir, device string }

// newImage makes one and mounts it at dir.
func newImage(dir string) (*image, error) {
	f, err := os.CreateTemp("", "odpm-torture-*.ext4")
	if err != nil {
		return nil, err
	}
	i := &image{file: f.Name(), dir: dir}
	err = errors.Join(f.Truncate(400<<20), f.Close())
	if err == nil {
		err = system("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", i.file)
	}
	if err == nil {
		err = i.mount()
	}
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		os.Remove(i.file)
		return nil, err
	}
	return i, nil
}

// mount takes a loop device of its own each time. Containers that begin have copies
// of every mount for a moment, or for good: on the same device there would still be
// the file system that has no power.
func (i *image) mount() error {
	out, err := exec.Command("losetup", "--find", "--show", i.file).Output()
	if err != nil {
		return fmt.Errorf("losetup (root only): %w", err)
	}
	i.device = strings.TrimSpace(string(out))
	return system("mount", i.device, i.dir)
}

// cut takes the power away: what is in memory alone, data and journal, never
// reaches the disk, and whatever is asked of the file system from now on is EIO.
// xfstests tries file systems in the same way.
func (i *image) cut() error {
	const (
		ext4Shutdown = 0x8004587d // EXT4_IOC_SHUTDOWN, linux/fs/ext4/ext4.h
		noLogFlush   = 2
	)
	d, err := os.Open(i.dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := unix.IoctlSetPointerInt(int(d.Fd()), ext4Shutdown, noLogFlush); err != nil {
		return fmt.Errorf("shut the file system down: %w", err)
	}
	return nil
}

// sync writes everything to the disk.
func (i *image) sync() error {
	d, err := os.Open(i.dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return unix.Syncfs(int(d.Fd()))
}

// restored is the disk after the power has come back: the journal is replayed.
func (i *image) restored() error {
	if err := i.unmount(); err != nil {
		return err
	}
	if err := i.leave(); err != nil {
		return err
	}
	return i.mount()
}

// leave takes another file where a container has a copy of the mount. The file system
// without power is still there then, and when the container ends, it writes what it has
// in memory: older blocks over those of the one that is mounted by that time. In one run
// that lost PG_VERSION of a database.
func (i *image) leave() error {
	out, err := exec.Command("losetup", "--noheadings", "--associated", i.file).Output()
	if err != nil || len(out) == 0 {
		return err
	}
	f, err := os.CreateTemp("", "odpm-torture-*.ext4")
	if err != nil {
		return err
	}
	before := i.file
	i.file = f.Name()
	return errors.Join(f.Close(), system("cp", "--sparse=always", before, i.file), os.Remove(before))
}

// unmount waits for the last process that was killed to let go of it.
func (i *image) unmount() error {
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = syscall.Unmount(i.dir, 0); err == nil {
			return i.free()
		}
	}
	return fmt.Errorf("unmount %s: %w", i.dir, err)
}

// free gives the loop device back, when the last copy of the mount is gone.
func (i *image) free() error { return system("losetup", "--detach", i.device) }

func (i *image) remove() {
	if i.unmount() != nil {
		_ = syscall.Unmount(i.dir, syscall.MNT_DETACH)
		_ = i.free()
	}
	_ = os.Remove(i.file)
}

// fill takes all the space but so many bytes; empty gives it back.
func (i *image) fill(but int64) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(i.dir, &st); err != nil {
		return err
	}
	f, err := os.Create(i.ballast())
	if err == nil {
		defer f.Close()
		if n := int64(st.Bavail)*st.Bsize - but; n > 0 {
			err = syscall.Fallocate(int(f.Fd()), 0, 0, n)
		}
	}
	if errors.Is(err, syscall.ENOSPC) {
		return nil // the server took it in the meantime: it is full
	}
	return err
}

func (i *image) empty() error { return remove(i.ballast()) }

func (i *image) ballast() string { return filepath.Join(i.dir, "ballast") }

func system(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

// onImage is for what needs a database all of which, PostgreSQL's own files
// included, is on one disk.
func onImage(t *tries, f func(*place, *image) error) error {
	dir, err := os.MkdirTemp("/tmp", "odpm-torture-")
	if err != nil {
		return err
	}
	i, err := newImage(dir)
	if err != nil {
		return errors.Join(err, os.Remove(dir))
	}
	p, err := newPlaceIn(t, dir)
	if err == nil {
		err = p.fill()
	}
	if err == nil {
		err = f(p, i)
	}
	p.kill()
	i.remove()
	return errors.Join(err, os.RemoveAll(dir))
}

// kill ends the place's server as a power cut does, its children too.
func (p *place) kill() {
	data := filepath.Join(p.dir, "data/postgresql/var/lib/postgresql/data")
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		alive := append(native.ServersOn(data), p.workers(data)...)
		if len(alive) == 0 {
			return
		}
		for _, pid := range alive {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// workers are the processes that work in a directory.
func (p *place) workers(dir string) []int {
	var all []int
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && to == dir {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link))); err == nil {
				all = append(all, pid)
			}
		}
	}
	return all
}
