package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// killing kills a command n times at a random moment of the time that it takes
// undisturbed. before brings the place to where it starts, after says what must
// hold once one `odpm` has run.
func (t *tries) killing(p *place, n int, sigs []syscall.Signal, before, after func() error, args ...string) error {
	if err := before(); err != nil {
		return err
	}
	begin := time.Now()
	if err := p.odpm(args...); err != nil {
		return err
	}
	took := time.Since(begin)
	for range n {
		if err := before(); err != nil {
			return err
		}
		moment := time.Duration(t.rng.Int64N(int64(took)))
		sig := sigs[t.rng.IntN(len(sigs))]
		_, err := p.ended(sig, moment, args...)
		if err == nil {
			err = p.odpm("--no-input")
		}
		if err == nil {
			err = errors.Join(after(), p.clean())
		}
		if err != nil {
			err = fmt.Errorf("%v after %s of %s: %w", sig, moment, took, err)
		}
		t.tried(err)
	}
	return nil
}

var kill9 = []syscall.Signal{syscall.SIGKILL}

func nothing() error { return nil }

// killedFirst: a place of its own for each kill, since there is one first start.
func killedFirst(t *tries) error {
	took := time.Duration(0)
	for range t.times(3, 100) + 1 {
		p, err := newPlace(t)
		if err != nil {
			return err
		}
		if took == 0 {
			begin := time.Now()
			err = p.odpm("--no-input")
			took = time.Since(begin)
			p.remove()
			if err != nil {
				return err
			}
			continue
		}
		moment := time.Duration(t.rng.Int64N(int64(took)))
		if _, err = p.ended(syscall.SIGKILL, moment, "--no-input"); err == nil {
			err = p.odpm("--no-input")
		}
		if err == nil {
			err = p.clean()
		}
		if err != nil {
			err = fmt.Errorf("killed after %s of %s: %w", moment, took, err)
		}
		t.tried(err)
		p.remove()
	}
	return nil
}

// onFull is for what needs a database: the last promise's, if that held.
func onFull(t *tries, f func(*place) error) error {
	p := t.left
	if p == nil {
		var err error
		if p, err = newFull(t); err != nil {
			if p != nil {
				p.remove()
			}
			return err
		}
	}
	p.t, t.left = t, nil
	err := p.again()
	if err == nil {
		err = f(p)
	}
	if err == nil && len(t.broke) == 0 {
		t.left = p
	} else {
		p.remove()
	}
	return err
}

func killedRun(t *tries) error {
	return onFull(t, func(p *place) error {
		return t.killing(p, t.times(3, 300), kill9, nothing, p.same, "--no-input")
	})
}

func killedBackup(t *tries) error {
	return onFull(t, func(p *place) error {
		made := p.dir + "/backups/again.zip"
		return t.killing(p, t.times(3, 300), kill9, func() error { return remove(made) }, func() error {
			// An archive that has its name is whole.
			if _, err := os.Stat(made); err == nil {
				return errors.Join(p.same(), p.odpm("database", "verify", made))
			}
			return p.same()
		}, "-d", database, "--db-backup", made, "--no-input")
	})
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// again is the database, restored where it is gone.
func (p *place) again() error {
	there, err := p.exists()
	if err != nil || there {
		return err
	}
	return p.odpm("-d", database, "--db-drop", "--db-restore", p.archive(), "--yes", "--no-input")
}

func killedDrop(t *tries) error {
	return onFull(t, func(p *place) error {
		return t.killing(p, t.times(3, 200), kill9, p.again, func() error {
			there, err := p.exists()
			if err != nil || there {
				return errors.Join(err, p.same())
			}
			if _, err := os.Stat(p.filestore(database)); !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("the database is gone and its file store is not: %v", err)
			}
			return nil
		}, "-d", database, "--db-drop", "--yes", "--no-input")
	})
}

// mark makes the present database one that the archive is not.
func (p *place) mark() error {
	_, err := p.query(database, `CREATE TABLE IF NOT EXISTS only_in_the_old_one (x int)`)
	return err
}

func killedRestore(t *tries) error {
	return onFull(t, func(p *place) error {
		return t.killing(p, t.times(3, 300), kill9, p.mark, p.same, "-d", database, "--db-drop", "--db-restore", p.archive(), "--yes", "--no-input")
	})
}

func signalled(t *tries) error {
	return onFull(t, func(p *place) error {
		return t.killing(p, t.times(3, 200), []syscall.Signal{syscall.SIGINT, syscall.SIGTERM}, p.mark, p.same, "-d", database, "--db-drop", "--db-restore", p.archive(), "--yes", "--no-input")
	})
}

func killedPassword(t *tries) error {
	return onFull(t, func(p *place) error {
		return t.killing(p, t.times(3, 200), kill9, nothing, p.same, "-d", database, "--set-admin-pass", "--no-input")
	})
}
