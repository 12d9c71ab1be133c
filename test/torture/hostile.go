package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// canary is a directory outside of everything that a container may write.
type canary struct{ dir, file, was string }

func newCanary(dir string) (*canary, error) {
	c := &canary{dir: dir, file: filepath.Join(dir, "file")}
	err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(c.file, []byte("nobody's business"), 0o600))
	if err == nil {
		c.was, err = c.look()
	}
	return c, err
}

func (c *canary) look() (string, error) {
	var text []string
	for _, path := range []string{c.dir, c.file} {
		var st syscall.Stat_t
		if err := syscall.Lstat(path, &st); err != nil {
			return "", err
		}
		text = append(text, fmt.Sprintf("%o %d:%d %d bytes %d.%09d", st.Mode, st.Uid, st.Gid, st.Size, st.Mtim.Sec, st.Mtim.Nsec))
	}
	return strings.Join(text, "; "), nil
}

func (c *canary) same() error {
	now, err := c.look()
	if err == nil && now != c.was {
		err = fmt.Errorf("outside of the project %s became %s", c.was, now)
	}
	return err
}

// shapes are what can be put in the place of a file or directory.
func (c *canary) shapes() []func(path string) error {
	link := func(to string) func(string) error { return func(path string) error { return os.Symlink(to, path) } }
	return []func(string) error{
		link(c.file), link(c.dir), link("."), link(".."), link("/dev/zero"), link("/proc/self/fd"), link(strings.Repeat("x", 200)),
		func(path string) error { return os.Symlink(filepath.Base(path), path) }, // to itself
		func(path string) error { return os.Link(c.file, path) },
		func(path string) error { return syscall.Mkfifo(path, 0o666) },
		func(path string) error { return syscall.Mknod(path, syscall.S_IFSOCK|0o666, 0) },
		func(path string) error { return syscall.Mknod(path, syscall.S_IFCHR|0o666, int(unix.Mkdev(1, 5))) },
		func(path string) error { return os.Mkdir(path, 0o777) },
		func(path string) error { return os.Mkdir(path, 0) },
		func(path string) error { return os.MkdirAll(filepath.Join(path, strings.Repeat("d/", 300)), 0o777) },
		func(path string) error { return os.WriteFile(path, nil, 0o666) },
		func(path string) error { return os.WriteFile(path, []byte("\x1b]0;owned\a\x1b[2J\r\n\x00"), 0o666) },
		func(path string) error {
			return errors.Join(os.WriteFile(path, []byte("{"), 0o666), os.Truncate(path, 1<<40))
		},
		func(string) error { return nil }, // gone
	}
}

// hostile puts each shape in each place, for good or in turns with what belongs
// there, while odpm works. It ends in order and in time, leaves what lies outside
// alone, and with everything in its place again it works.
func hostile(t *tries) error {
	return onFull(t, func(p *place) error {
		c, err := newCanary(filepath.Join(p.dir, "outside"))
		if err != nil {
			return err
		}
		defer os.RemoveAll(c.dir)
		attachment, err := filepath.Glob(filepath.Join(p.filestore(database), "*/*"))
		if err != nil || len(attachment) == 0 {
			return fmt.Errorf("no attachment: %v", err)
		}
		places := []string{".odpm/database/last_run.json", ".odpm/database/.gitignore", ".odpm/database", "data/odoo", "data/odoo/filestore", "data/odoo/filestore/" + database}
		for i := range places {
			places[i] = filepath.Join(p.dir, places[i])
		}
		places = append(places, attachment[0], filepath.Dir(attachment[0]), filepath.Join(p.dir, "data/postgresql/var/lib/postgresql/data/PG_VERSION"))
		made := filepath.Join(p.dir, "backups/hostile.zip")
		commands := [][]string{{"plan"}, {"database", "status"}, {"database", "list"}, {"--no-input"}, {"doctor"},
			{"-d", database, "--db-backup", made, "--no-input"}, {"-d", database, "--db-drop", "--db-restore", p.archive(), "--yes", "--no-input"}}
		shapes := c.shapes()
		for range t.times(10, 800) {
			path, shape, args := places[t.rng.IntN(len(places))], t.rng.IntN(len(shapes)), commands[t.rng.IntN(len(commands))]
			aside := filepath.Join(p.dir, "aside")
			content, info, err := kept(path)
			if err != nil {
				return err
			}
			if err := os.Rename(path, aside); err != nil {
				return err
			}
			if err := shapes[shape](path); err != nil {
				return err
			}
			stop, turns := nothing, t.rng.IntN(2) == 0
			if turns {
				// A restore would go into the one directory or the other.
				args = commands[t.rng.IntN(len(commands)-1)]
				stop = swapping(aside, path)
			}
			var broke error
			said := p.odpm(args...)
			if said != nil && !isExit(said) || said != nil && strings.ContainsAny(said.Error(), "\x1b\a\x00") {
				broke = said
			}
			// Whatever is there by now makes room for what belongs there.
			if err := errors.Join(stop(), removeAll(path), os.Rename(aside, path), remove(made)); err != nil {
				return err
			}
			if info.Mode().IsRegular() {
				// odpm may have put a new one over the old one.
				if err := put(path, content, info); err != nil {
					return err
				}
			}
			broke = errors.Join(broke, c.same())
			p.age()
			if err := errors.Join(p.odpm("--no-input"), p.again(), p.clean()); err != nil {
				broke = errors.Join(broke, fmt.Errorf("with everything in its place: %w", err))
			}
			if err := p.same(); err != nil {
				broke = errors.Join(broke, err)
				if err := p.odpm("-d", database, "--db-drop", "--db-restore", p.archive(), "--yes", "--no-input"); err != nil {
					return errors.Join(broke, err)
				}
			}
			if broke != nil {
				broke = fmt.Errorf("%s as number %d of the shapes, in turns %v: odpm %s said %v: %w", path, shape, turns, strings.Join(args, " "), said, broke)
			}
			t.tried(broke)
			if len(t.broke) > 10 {
				return errors.New("too much is broken to go on")
			}
		}
		return nil
	})
}

// swapping exchanges two names all the time, until it is stopped; what was at a
// is at a again then.
func swapping(a, b string) (stop func() error) {
	end, ended := make(chan struct{}), make(chan error)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-end:
				var err error
				if n%2 == 1 {
					err = exchange(a, b)
				}
				ended <- err
				return
			case <-time.After(200 * time.Microsecond):
				// odpm may have put one of its own there.
				if err := exchange(a, b); err != nil {
					n--
				}
			}
		}
	}()
	return func() error { close(end); return <-ended }
}

func exchange(a, b string) error {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}

func removeAll(path string) error {
	if info, err := os.Lstat(path); err == nil && info.IsDir() {
		_ = os.Chmod(path, 0o700)
	}
	return os.RemoveAll(path)
}

// kept is a file as it is, nothing for a directory.
func kept(path string) ([]byte, os.FileInfo, error) {
	info, err := os.Lstat(path)
	if err != nil || info.IsDir() {
		return nil, info, err
	}
	content, err := os.ReadFile(path)
	return content, info, err
}

// put gives a name the file that was kept.
func put(path string, content []byte, info os.FileInfo) error {
	st := info.Sys().(*syscall.Stat_t)
	return errors.Join(removeAll(path), os.WriteFile(path, content, 0o600), os.Chown(path, int(st.Uid), int(st.Gid)), os.Chmod(path, info.Mode().Perm()))
}
