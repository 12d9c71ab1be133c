package state

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/odpm/odpm/shared/durable"
	"github.com/odpm/odpm/shared/handoff"
	"github.com/odpm/odpm/shared/shell"
)

// Dirs are the directories odpm keeps in a project.
type Dirs struct {
	Project string
	// Owner is the uid:gid that directories made for the container belong to;
	// -1 leaves them to whoever runs odpm.
	UID, GID int
}

// NewDirs names the directories of a project; nothing is made.
func NewDirs(project string) Dirs { return Dirs{Project: project, UID: -1, GID: -1} }

func (d Dirs) Runtime() string  { return filepath.Join(d.Project, handoff.HostRuntimeDir) }
func (d Dirs) Database() string { return filepath.Join(d.Project, handoff.HostDatabaseDir) }
func (d Dirs) State() string    { return filepath.Join(d.Project, handoff.HostStateDir) }
func (d Dirs) Image() string    { return filepath.Join(d.Project, handoff.HostImageDir) }

// writerLives is far longer than it takes to write one of our files.
const writerLives = 10 * time.Minute

// Ensure makes the directories with a .gitignore each: what is in them
// belongs to one machine.
func (d Dirs) Ensure() error {
	for _, dir := range []struct {
		path string
		mode os.FileMode
		give bool
	}{
		{d.Runtime(), 0o755, false}, {d.Database(), 0o755, true}, {d.State(), 0o700, false},
	} {
		if err := EnsureDir(dir.path, dir.mode); err != nil {
			return err
		}
		durable.Sweep(dir.path, writerLives)
		if dir.give && d.UID >= 0 {
			// The uid Odoo runs as must be able to create and rename here.
			if err := os.Lchown(dir.path, d.UID, d.GID); err != nil {
				return err
			}
		}
	}
	return nil
}

// EnsureDir makes one directory under .odpm with its .gitignore.
func EnsureDir(path string, mode os.FileMode) error {
	if info, err := os.Lstat(path); err == nil && !info.IsDir() {
		return fmt.Errorf("%s is not a directory (%s); move it aside: mv %s %s", path, info.Mode().Type(), shell.Quote(path), shell.Quote(path+".aside"))
	}
	// What lies above is no secret; only the directory itself may be one.
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(path, mode); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	ignore := filepath.Join(path, ".gitignore")
	// It is looked at, not read: the container writes in .odpm/database, and
	// may have put a pipe or a link there.
	if info, err := os.Lstat(ignore); err == nil && info.Mode().IsRegular() && info.Size() > 0 {
		return nil
	}
	return durable.WriteFile(ignore, []byte("*\n"), 0o644)
}

// Remembered reads a word that odpm remembers under .odpm/state; "" where
// nothing is remembered. It never writes.
func (d Dirs) Remembered(name string) (string, error) {
	data, err := os.ReadFile(filepath.Join(d.State(), name))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(data)), err
}

// Remember keeps a word under .odpm/state.
func (d Dirs) Remember(name, word string) error {
	if old, err := d.Remembered(name); err == nil && old == word {
		return nil
	}
	return durable.WriteFile(filepath.Join(d.State(), name), []byte(word+"\n"), 0o600)
}

// SecretPath is where a generated secret lies.
func (d Dirs) SecretPath(name string) string { return filepath.Join(d.State(), name) }

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
