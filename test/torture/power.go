package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// work is a command that writes, and what must hold once one odpm has run
// after it was ended; done says that it had said that it was done.
type work struct {
	name   string
	args   []string
	before func() error
	after  func(done bool) error
	took   time.Duration
}

// works are all of the commands that write to a place with a database.
func (p *place) works() []*work {
	made := filepath.Join(p.dir, "backups/again.zip")
	same := func(bool) error { return p.same() }
	replaced := func(done bool) error {
		if err := p.same(); err != nil || !done {
			return err
		}
		if n, err := p.query(database, `SELECT count(*) FROM pg_class WHERE relname = 'only_in_the_old_one'`); err != nil || n != "0" {
			return fmt.Errorf("the restore was done, and the old database is there: %v", err)
		}
		return nil
	}
	return []*work{
		{name: "run", args: []string{"--no-input"}, before: p.again, after: same},
		{name: "password", args: []string{"-d", database, "--set-admin-pass", "--no-input"}, before: p.again, after: same},
		{name: "backup", args: []string{"-d", database, "--db-backup", made, "--no-input"},
			before: func() error { return errors.Join(p.again(), remove(made)) },
			after: func(done bool) error {
				// An archive that has its name is whole.
				if _, err := os.Stat(made); err == nil || done {
					return errors.Join(p.same(), p.odpm("database", "verify", made))
				}
				return p.same()
			}},
		{name: "drop", args: []string{"-d", database, "--db-drop", "--yes", "--no-input"}, before: p.again, after: p.dropped},
		{name: "restore", args: []string{"-d", database, "--db-drop", "--db-restore", p.archive(), "--yes", "--no-input"},
			before: func() error { return errors.Join(p.again(), p.mark()) }, after: replaced},
	}
}

// dropped: the database and its file store, or neither.
func (p *place) dropped(done bool) error {
	there, err := p.exists()
	switch {
	case err != nil:
		return err
	case there && done:
		return errors.New("the drop was done, and the database is there")
	case there:
		return p.same()
	}
	if _, err := os.Stat(p.filestore(database)); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("the database is gone and its file store is not: %v", err)
	}
	return nil
}

// moment is one at which a command is still at work, as far as is known.
func (p *place) moment(w *work) (time.Duration, error) {
	if w.took == 0 {
		begin := time.Now()
		if err := p.odpm(w.args...); err != nil {
			return 0, err
		}
		w.took = time.Since(begin)
		if err := w.before(); err != nil {
			return 0, err
		}
	}
	return time.Duration(p.t.rng.Int64N(int64(w.took))), nil
}

// broken runs each command n times and breaks something with fault, which ends
// the command too; then, when mended, one odpm has to put everything right.
func (t *tries) broken(p *place, works []*work, n int, fault func(r *running, moment time.Duration) error, mend func() error) error {
	for n := range n * len(works) {
		w := works[n%len(works)]
		if err := w.before(); err != nil {
			return err
		}
		moment, err := p.moment(w)
		if err != nil {
			return err
		}
		r, err := p.start(w.args...)
		if err != nil {
			return err
		}
		if err := fault(r, moment); err != nil {
			r.kill()
			return err
		}
		done, broke := r.wait()
		if err := mend(); err != nil {
			return err
		}
		p.age()
		if err := p.odpm("--no-input"); err != nil {
			broke = errors.Join(broke, err)
		} else {
			broke = errors.Join(broke, w.after(done), p.clean())
		}
		if broke != nil {
			broke = fmt.Errorf("%s, after %s of %s %s, which said %q: %w", w.name, moment, w.took, p.note, r.out.String(), broke)
		}
		if broke == nil && p.missed != nil && p.missed() {
			t.skipped++
			continue
		}
		t.tried(broke)
		if broke != nil && len(t.broke) > 10 {
			return errors.New("too much is broken to go on")
		}
	}
	return nil
}

// power takes the power away from the disk, the server and odpm at once.
func power(t *tries) error {
	return onImage(t, func(p *place, i *image) error {
		return t.broken(p, p.works(), t.times(1, 40), func(r *running, moment time.Duration) error {
			if t.rng.IntN(4) == 0 {
				r.ends(patience) // what is said to be done is done for good
			} else {
				r.ends(moment)
			}
			err := i.cut()
			r.kill()
			p.kill()
			return err
		}, i.restored)
	})
}

// vanished is a disk that answers EIO from a moment on, to the server too.
func vanished(t *tries) error {
	return onImage(t, func(p *place, i *image) error {
		return t.broken(p, p.works(), t.times(1, 30), func(r *running, moment time.Duration) error {
			r.ends(moment)
			return i.cut()
		}, func() error {
			p.kill()
			return i.restored()
		})
	})
}

// fullDisk is one that all of the project, PostgreSQL's own data too, is on.
func fullDisk(t *tries) error {
	return onImage(t, func(p *place, i *image) error {
		return t.broken(p, p.works(), t.times(1, 30), func(r *running, moment time.Duration) error {
			if t.rng.IntN(3) > 0 {
				r.ends(moment)
			}
			return i.fill(int64(t.rng.IntN(200)) * 4096)
		}, i.empty)
	})
}

// powerFirst takes the power away during the first start, initdb included.
func powerFirst(t *tries) error {
	took := time.Duration(0)
	for n := range t.times(1, 30) + 1 {
		if err := t.firstStart(&took, n > 0); err != nil {
			return err
		}
	}
	return nil
}

func (t *tries) firstStart(took *time.Duration, cut bool) error {
	dir, err := os.MkdirTemp("/tmp", "odpm-torture-")
	if err != nil {
		return err
	}
	i, err := newImage(dir)
	if err != nil {
		return errors.Join(err, os.Remove(dir))
	}
	defer os.RemoveAll(dir)
	defer i.remove()
	p, err := newPlaceIn(t, dir)
	if err != nil {
		return err
	}
	defer p.kill()
	if err := i.sync(); err != nil { // the project's files are older than the power cut
		return err
	}
	begin := time.Now()
	if !cut {
		err := p.odpm("--no-input")
		*took = time.Since(begin)
		return err
	}
	r, err := p.start("--no-input")
	if err != nil {
		return err
	}
	moment := time.Duration(t.rng.Int64N(int64(*took)))
	r.ends(moment)
	err = i.cut()
	r.kill()
	p.kill()
	r.wait()
	if err := errors.Join(err, i.restored()); err != nil {
		return err
	}
	p.age()
	broke := p.odpm("--no-input")
	if broke == nil {
		broke = p.clean()
	}
	if broke != nil {
		broke = fmt.Errorf("after %s of %s: %w", moment, *took, broke)
	}
	t.tried(broke)
	return nil
}
