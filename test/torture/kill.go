package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"
)

// killed ends a command of the place's works n times at a random moment of the
// time that it takes undisturbed.
func killed(name string, full int, sigs ...syscall.Signal) func(*tries) error {
	return func(t *tries) error {
		return onFull(t, func(p *place) error {
			works := slices.DeleteFunc(p.works(), func(w *work) bool { return w.name != name })
			return t.broken(p, works, t.times(3, full), func(r *running, moment time.Duration) error {
				if !r.ends(moment) {
					_ = r.cmd.Process.Signal(sigs[t.rng.IntN(len(sigs))])
				}
				return nil
			}, nothing)
		})
	}
}

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
			p.age()
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

// mark makes the present database one that the archive is not.
func (p *place) mark() error {
	_, err := p.query(database, `CREATE TABLE IF NOT EXISTS only_in_the_old_one (x int)`)
	return err
}
