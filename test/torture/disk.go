package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// small mounts a file system of a few pages over a directory of the project,
// with its content, and gives the function that takes it away again.
func small(dir string, bytes int) (func() error, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := syscall.Mount("torture", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0777", bytes)); err != nil {
		return nil, fmt.Errorf("mount a small file system (root only): %w", err)
	}
	return func() error { return syscall.Unmount(dir, syscall.MNT_DETACH) }, nil
}

// sizes are from nothing to enough.
func (t *tries) sizes(most int) []int {
	var all []int
	for range t.times(2, 60) {
		all = append(all, 4096*(1+t.rng.IntN(most/4096)))
	}
	return all
}

// unwritable runs args, which may fail but not crash, while dir has no room,
// and then, with room, one odpm.
func unwritable(p *place, dir string, bytes int, args ...string) error {
	undo, err := small(dir, bytes)
	if err != nil {
		return err
	}
	failed := p.odpm(args...)
	if err := undo(); err != nil {
		return err
	}
	if failed != nil && !isExit(failed) {
		return failed
	}
	p.age()
	if err := p.odpm("--no-input"); err != nil {
		return fmt.Errorf("with %d bytes it said %v; and then: %w", bytes, failed, err)
	}
	return errors.Join(p.same(), p.clean())
}

// isExit: it ended in order, with a code.
func isExit(err error) bool {
	var exit interface{ ExitCode() int }
	return errors.As(err, &exit) && exit.ExitCode() > 0 && exit.ExitCode() < 126
}

func fullState(t *tries) error {
	return onFull(t, func(p *place) error {
		for _, size := range t.sizes(64 << 10) {
			t.tried(unwritable(p, filepath.Join(p.dir, ".odpm"), size, "-d", database, "--db-drop", "--db-restore", p.archive(), "--yes", "--no-input"))
		}
		return nil
	})
}

func fullBackup(t *tries) error {
	return onFull(t, func(p *place) error {
		for _, size := range t.sizes(1 << 20) {
			t.tried(unwritable(p, filepath.Join(p.dir, "backups"), size, "-d", database, "--db-backup", p.dir+"/backups/full.zip", "--no-input"))
		}
		return nil
	})
}

func fullFiles(t *tries) error {
	return onFull(t, func(p *place) error {
		for _, size := range t.sizes(64 << 10) {
			t.tried(unwritable(p, filepath.Join(p.dir, "data/odoo"), size, "-d", "another", "--db-restore", p.archive(), "--yes", "--no-input"))
			if err := p.odpm("-d", "another", "--db-drop", "--yes", "--no-input"); err != nil && !isExit(err) {
				return err
			}
		}
		return nil
	})
}

func readOnly(t *tries) error {
	return onFull(t, func(p *place) error {
		dirs := []string{".odpm", ".odpm/state", ".odpm/runtime", ".odpm/database"}
		for n := range t.times(4, 40) {
			dir := filepath.Join(p.dir, dirs[n%len(dirs)])
			if err := errors.Join(syscall.Mount(dir, dir, "", syscall.MS_BIND, ""), syscall.Mount("", dir, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, "")); err != nil {
				return fmt.Errorf("make a directory read-only (root only): %w", err)
			}
			failed := p.odpm("-d", database, "--db-drop", "--db-restore", p.archive(), "--yes", "--no-input")
			if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
				return err
			}
			p.age()
			err := p.odpm("--no-input")
			if failed != nil && !isExit(failed) {
				err = failed
			}
			t.tried(errors.Join(err, p.same(), p.clean()))
		}
		return nil
	})
}
