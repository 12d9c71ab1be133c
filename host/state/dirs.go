package state

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/odpm/odpm/shared/beneath"
	"github.com/odpm/odpm/shared/durable"
	"github.com/odpm/odpm/shared/handoff"
	"github.com/odpm/odpm/shared/regular"
	"github.com/odpm/odpm/shared/shell"
	"github.com/odpm/odpm/shared/snapshot"
)

// Dirs are the directories odpm keeps in a project.
type Dirs struct {
	Project string
	// Owner is the uid:gid that directories made for the container belong to;
	// -1 leaves them to whoever runs odpm.
	UID, GID int
	// Shared lets the person's group write to .odpm/database: Odoo's user there is
	// another, and has that group.
	Shared bool
}

// NewDirs names the directories of a project; nothing is made.
func NewDirs(project string) Dirs { return Dirs{Project: project, UID: -1, GID: -1} }

func (d Dirs) Runtime() string  { return filepath.Join(d.Project, handoff.HostRuntimeDir) }
func (d Dirs) Database() string { return filepath.Join(d.Project, handoff.HostDatabaseDir) }
func (d Dirs) State() string    { return filepath.Join(d.Project, handoff.HostStateDir) }
func (d Dirs) Image() string    { return filepath.Join(d.Project, handoff.HostImageDir) }

// Ensure makes the directories with a .gitignore each: what is in them
// belongs to one machine.
func (d Dirs) Ensure() error {
	for _, dir := range []struct {
		path string
		mode os.FileMode
	}{
		{d.Runtime(), 0o755}, {d.Database(), 0o755}, {d.State(), 0o700},
	} {
		at, err := ensureDir(dir.path, dir.mode)
		if err != nil {
			return err
		}
		defer at.Close()
		if dir.path == d.State() {
			// A copy of a project may have opened it to others.
			if info, err := at.Stat(); err != nil {
				return err
			} else if info.Mode.Perm()&^dir.mode != 0 {
				if err := at.Chmod(dir.mode); err != nil {
					return err
				}
			}
		}
		if dir.path != d.Database() {
			if err := ignore(at); err != nil {
				return err
			}
			continue
		}
		// The container writes there and may have put anything in its place, a
		// directory for example: nothing depends on it.
		_ = ignore(at)
		if d.UID >= 0 {
			// The uid Odoo runs as must be able to create and rename here.
			if err := at.Chown(d.UID, d.GID); err != nil {
				return err
			}
		} else if d.Shared {
			if err := at.Chmod(0o775); err != nil {
				return err
			}
		}
	}
	return nil
}

// EnsureDir makes one directory under .odpm with its .gitignore.
func EnsureDir(path string, mode os.FileMode) error {
	at, err := ensureDir(path, mode)
	if err != nil {
		return err
	}
	defer at.Close()
	return ignore(at)
}

// ensureDir opens a directory under .odpm, where no link is followed.
func ensureDir(path string, mode os.FileMode) (*beneath.Dir, error) {
	// What lies above is no secret; only the directory itself may be one.
	above := filepath.Dir(path)
	if err := os.MkdirAll(above, 0o755); err != nil {
		return nil, err
	}
	parent, err := beneath.Open(above)
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	name := filepath.Base(path)
	at, err := parent.Mkdir(name, mode)
	if errors.Is(err, os.ErrExist) {
		at, err = parent.OpenDir(name)
	}
	var link *beneath.LinkError
	var other *beneath.KindError
	if errors.As(err, &link) || errors.As(err, &other) {
		return nil, fmt.Errorf("%w; %s", err, MoveAside(path))
	}
	return at, err
}

// ignore keeps a directory's files out of version control.
func ignore(at *beneath.Dir) error {
	// It is looked at, not read: what is in it is nobody's business.
	if info, err := at.Lstat(".gitignore"); err == nil && info.Mode.IsRegular() && info.Size > 0 {
		return nil
	}
	return at.WriteFile(".gitignore", []byte("*\n"), 0o644, -1, -1)
}

// SaveSnapshot writes last_run.json, the container's from then on, where the
// container may write as well.
func (d Dirs) SaveSnapshot(s *snapshot.Snapshot) error {
	data, err := s.Checked()
	if err != nil {
		return err
	}
	at, err := ensureDir(d.Database(), 0o755)
	if err != nil {
		return err
	}
	defer at.Close()
	return at.WriteFile(snapshot.FileName, data, 0o644, d.UID, d.GID)
}

// Read reads a file under .odpm/state that odpm wrote. A pipe or a directory that
// a project was unpacked with is an error, and keeps no run waiting.
func (d Dirs) Read(name string) ([]byte, error) {
	// adoption.json has somebody's compose files in it.
	return regular.ReadNoLink(filepath.Join(d.State(), name), 64<<20)
}

// MoveAside says how to get something out of the way and keep it.
func MoveAside(path string) string {
	return "move it aside: mv " + shell.Quote(path) + " " + shell.Quote(path+".aside")
}

// Remembered reads a word that odpm remembers under .odpm/state; "" where
// nothing is remembered. It never writes.
func (d Dirs) Remembered(name string) (string, error) {
	data, err := d.Read(name)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(data)), err
}

// Remember keeps a word under .odpm/state.
func (d Dirs) Remember(name, word string) error {
	old, err := d.Remembered(name)
	if err == nil && old == word {
		return nil
	}
	if path := filepath.Join(d.State(), name); errors.Is(err, regular.ErrNotRegular) {
		return fmt.Errorf("%w; %s", err, MoveAside(path))
	}
	return durable.WriteFile(filepath.Join(d.State(), name), []byte(word+"\n"), 0o600)
}

// SecretPath is where a generated secret lies.
func (d Dirs) SecretPath(name string) string { return filepath.Join(d.State(), name) }

// OpenSecret lets everybody read a secret who has the file: a container in which it is
// mounted. On this machine the directory, which Ensure keeps closed, is in the way.
func (d Dirs) OpenSecret(name string) error {
	at, err := beneath.Open(d.State())
	if err != nil {
		return err
	}
	defer at.Close()
	f, _, err := at.OpenRegular(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Chmod(0o644)
}

// Secret reads a generated secret and makes it where it is missing: 24 random
// bytes, readable by the person alone. The file is made before anything uses
// it, so that a crash cannot lose a password that a cluster already has.
func (d Dirs) Secret(name string) (string, error) {
	if s, err := d.Remembered(name); err != nil || s != "" {
		return s, err
	}
	b := make([]byte, 24)
	if _, err := rand.Read(b); err != nil {
		return "", err
	}
	s := base64.RawURLEncoding.EncodeToString(b)
	return s, d.Remember(name, s)
}
