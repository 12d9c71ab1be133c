// Package journal is what all journals have in common: the files in .odpm/state that
// say what a run has begun, so that the next one can end it after a crash. What
// each says is its operation's own.
package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/odpm/odpm/shared/durable"
	"github.com/odpm/odpm/shared/regular"
	"github.com/odpm/odpm/shared/shell"
)

// Save writes a journal of what ("restore", "backup", "drop").
func Save(what, path string, content any, hold func(tmp string) error) error {
	b, err := json.MarshalIndent(content, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = durable.WriteFileHeld(path, append(b, '\n'), 0o600, hold)
	}
	if err != nil {
		return fmt.Errorf("journal of the %s: %w", what, err)
	}
	return nil
}

// Read reads one, which is some hundred bytes long. A pipe that a project was
// unpacked with would keep every later run waiting.
func Read(path string) ([]byte, error) { return regular.ReadNoLink(path, 1<<20) }

// Remove removes it durably: work that is done must not be recovered from
// once more.
func Remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}

// unreadableError is a journal that cannot be read: guessing would be worse.
type unreadableError struct {
	path string
	err  error
}

func (e *unreadableError) Error() string {
	return fmt.Sprintf("the journal of an interrupted run cannot be read: %s: %v. To see whether any databases are named odpm_…: odpm database list. Then move the journal aside: %s",
		e.path, e.err, MoveAside(e.path))
}

func (e *unreadableError) Unwrap() error { return e.err }

// Unreadable is the error of a journal that cannot be read.
func Unreadable(path string, err error) error { return &unreadableError{path, err} }

// MoveAside is the command that takes a journal out of the way and keeps it.
func MoveAside(path string) string {
	return "mv " + shell.Quote(path) + " " + shell.Quote(path+".unreadable")
}

// Version is every journal's.
const Version = 1

// The names of journals begin with what they are of.
const (
	RestorePrefix = "restore-"
	BackupPrefix  = "backup-"
	DropPrefix    = "drop-"
)

// GlobQuote makes a directory's name stand for itself in a pattern.
func GlobQuote(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}
