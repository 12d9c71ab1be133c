package odoodb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/gofrs/flock"
)

// backupJournal names what a backup makes beside its archive, so that a kill
// leaves nothing for good. The running backup holds a lock on the file: who
// finds it unlocked knows that the backup is dead.
type backupJournal struct {
	Version  int    `json:"version"`
	Database string `json:"database"`
	// Part is the unfinished archive.
	Part string `json:"part"`
	// Links is the directory of hard links, Copies the one of files that could
	// not be linked; isLeftOver knows their names.
	Links  string `json:"links"`
	Copies string `json:"copies"`

	path string
	lock *flock.Flock
}

const backupPrefix = "backup-"

// id is the token that all of the backup's names have.
func (j *backupJournal) id() string { return strings.TrimPrefix(filepath.Base(j.Links), hiddenPrefix) }

func (j *backupJournal) begin(stateDir, id string) error {
	j.Version = journalVersion
	j.path = filepath.Join(stateDir, backupPrefix+id+".json")
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return fmt.Errorf("journal of the backup: %w", err)
	}
	b, err := json.MarshalIndent(j, "", "  ")
	if err != nil {
		return err
	}
	// Locked before it has its name: there is no moment in which somebody else
	// could take it for a dead run's.
	tmp := filepath.Join(stateDir, "."+backupPrefix+id)
	j.lock = flock.New(tmp, flock.SetPermissions(0o600))
	ok, err := j.lock.TryLock()
	if err == nil && !ok {
		err = errors.New("somebody else has it locked")
	}
	if err == nil {
		err = os.WriteFile(tmp, append(b, '\n'), 0o600)
	}
	if err == nil {
		err = os.Rename(tmp, j.path)
	}
	if err == nil {
		err = syncDir(stateDir)
	}
	if err != nil {
		os.Remove(tmp)
		return errors.Join(fmt.Errorf("journal of the backup: %w", err), j.lock.Close())
	}
	return nil
}

// end removes what a backup made besides its archive, and then the journal.
func (j *backupJournal) end() error {
	err := errors.Join(os.RemoveAll(j.Links), os.RemoveAll(j.Copies))
	// With the other two there cannot be such a file either.
	if perr := os.Remove(j.Part); !errors.Is(perr, fs.ErrNotExist) && !errors.Is(perr, syscall.ENOTDIR) && !errors.Is(perr, syscall.ENAMETOOLONG) {
		err = errors.Join(err, perr)
	}
	if err == nil {
		err = os.Remove(j.path)
	}
	if j.lock != nil {
		err = errors.Join(err, j.lock.Close())
	}
	return err
}

// backupJournals reads the journals that are there, of running backups as well.
func backupJournals(stateDir string) ([]*backupJournal, error) {
	found, err := filepath.Glob(filepath.Join(globQuote(stateDir), backupPrefix+"*.json"))
	if err != nil {
		return nil, err
	}
	var all []*backupJournal
	for _, path := range found {
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, &journalError{path, err}
		}
		j := &backupJournal{path: path}
		if err := json.Unmarshal(b, j); err != nil {
			return nil, &journalError{path, err}
		}
		// Its words lead to deleting, so they must be words of ours.
		if j.Version != journalVersion || !strings.HasSuffix(j.Part, partSuffix) || !filepath.IsAbs(j.Part) ||
			!isLeftOver(filepath.Base(j.Links)) || !filepath.IsAbs(j.Links) || !isLeftOver(filepath.Base(j.Copies)) || !filepath.IsAbs(j.Copies) {
			return nil, &journalError{path, errors.New("it does not describe a backup")}
		}
		all = append(all, j)
	}
	return all, nil
}

// partSuffix marks an archive that is not complete.
const partSuffix = ".part"

// partName is what an archive is called until it is complete: its own name,
// cut where there is no room for more in it.
func partName(path, id string) string {
	const most = 255 // NAME_MAX
	dir, base := filepath.Split(path)
	end := "." + id + partSuffix
	if len(base)+len(end) > most {
		base = strings.ToValidUTF8(base[:most-len(end)], "")
	}
	return dir + base + end
}

// leftBehindError is what killed backups left and could not be removed, on a disk
// that is read-only by now, or of another user. Nobody needs it to be gone.
type leftBehindError struct{ error }

func (e leftBehindError) Unwrap() error { return e.error }

// IsLeftBehind says whether Recover did everything but remove the files of
// killed backups.
func IsLeftBehind(err error) bool {
	var e leftBehindError
	return errors.As(err, &e)
}

// recoverBackups removes what killed backups left.
func (s *Server) recoverBackups(ctx context.Context) error {
	all, err := backupJournals(s.StateDir)
	if err != nil {
		return err
	}
	var left error
	for _, j := range all {
		j.lock = flock.New(j.path, flock.SetFlag(os.O_RDONLY))
		ok, err := j.lock.TryLock()
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has just ended
		}
		if err != nil {
			return fmt.Errorf("after an interrupted backup of database %q: %w", j.Database, err)
		}
		if !ok {
			continue // it runs
		}
		if err := errors.Join(s.endBackup(ctx, j.id()), j.end()); err != nil {
			left = errors.Join(left, fmt.Errorf("after an interrupted backup of database %q: %w (journal %s)", j.Database, err, j.path))
		}
	}
	if left != nil && ctx.Err() == nil {
		left = leftBehindError{left}
	}
	return left
}

// globQuote makes a directory's name stand for itself in a pattern.
func globQuote(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}
