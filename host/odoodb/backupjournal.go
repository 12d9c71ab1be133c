package odoodb

import (
	"bytes"
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

	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/shared/beneath"
)

// backupJournal names what a backup makes beside its archive, so that a kill
// leaves nothing for good. The running backup holds a lock on the file: who
// finds it unlocked knows that the backup is dead.
type backupJournal struct {
	Version  int    `json:"version"`
	Database string `json:"database"`
	// Part is the unfinished archive.
	Part string `json:"part"`
	// Archive is what it is called when it is complete.
	Archive string `json:"archive,omitempty"`
	// Links is the directory of hard links, Copies the one of files that could
	// not be linked; isLeftOver knows their names.
	Links  string `json:"links"`
	Copies string `json:"copies"`

	path string
	lock *flock.Flock
	// home is the directory with Links in it, nil where it is not there.
	home *filestore.Home
	// dest is the running backup's; nil where a killed one's is put in order.
	dest *destination
}

const backupPrefix = "backup-"

// id is the token that all of the backup's names have.
func (j *backupJournal) id() string { return strings.TrimPrefix(filepath.Base(j.Links), hiddenPrefix) }

func (j *backupJournal) begin(stateDir, id string) error {
	j.Version = journalVersion
	j.path = filepath.Join(stateDir, backupPrefix+id+".json")
	// Locked before it has its name: there is no moment in which somebody else
	// could take it for a dead run's.
	err := saveJournal("backup", j.path, j, func(tmp string) error {
		j.lock = flock.New(tmp, flock.SetFlag(os.O_RDWR))
		ok, err := j.lock.TryLock()
		if err == nil && !ok {
			err = errors.New("somebody else has it locked")
		}
		return err
	})
	if err != nil && j.lock != nil {
		err = errors.Join(err, j.lock.Close())
	}
	return err
}

// end removes what a backup made besides its archive, and then the journal.
func (j *backupJournal) end(ctx context.Context) error {
	err := j.endDestination(ctx)
	if j.home != nil {
		err = errors.Join(err, j.home.Remove(ctx, filepath.Base(j.Links)))
	}
	if err == nil {
		err = removeJournal(j.path)
	}
	if j.lock != nil {
		err = errors.Join(err, j.lock.Close())
	}
	return err
}

// endDestination removes what was made beside the archive.
func (j *backupJournal) endDestination(ctx context.Context) error {
	if j.dest != nil {
		return j.dest.discard(ctx, filepath.Base(j.Copies))
	}
	if j.Part == "" {
		return nil
	}
	dir, err := beneath.Open(filepath.Dir(j.Part))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	var st syscall.Stat_t
	if err := syscall.Lstat(j.path, &st); err != nil {
		return &fs.PathError{Op: "lstat", Path: j.path, Err: err}
	}
	owner, part := int(st.Uid), filepath.Base(j.Part)
	err = removePart(dir, part, isDeadPart(dir, filepath.Base(j.Archive), owner))
	if errors.Is(err, syscall.ENAMETOOLONG) {
		err = nil // such a name was never made
	}
	return errors.Join(err, filestore.RemoveCopies(ctx, dir, filepath.Base(j.Copies), owner))
}

// backupJournals reads the journals that are there, of running backups as well.
// Nobody needs one: those that cannot be read are leftBehindErrors, beside the
// others.
func backupJournals(stateDir string) ([]*backupJournal, error) {
	found, err := filepath.Glob(filepath.Join(globQuote(stateDir), backupPrefix+"*.json"))
	if err != nil {
		return nil, err
	}
	var all []*backupJournal
	var left error
	for _, path := range found {
		j, err := readBackupJournal(path)
		switch {
		case errors.Is(err, fs.ErrNotExist): // it has just ended
		case err != nil:
			left = errors.Join(left, leftBehindError{fmt.Errorf("the journal of an interrupted backup cannot be read: %s: %w. Nothing needs it; move it aside: %s", path, err, moveAside(path))})
		default:
			all = append(all, j)
		}
	}
	return all, left
}

func readBackupJournal(path string) (*backupJournal, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	j := &backupJournal{path: path}
	if len(bytes.Trim(b, "\x00")) == 0 {
		// A power cut took the content of a file that had its name and was not
		// synced, as these journals once were written.
		return j, nil
	}
	if err := json.Unmarshal(b, j); err != nil {
		return nil, err
	}
	// Its words lead to deleting, so they must be words of ours.
	if j.Version != journalVersion || !strings.HasSuffix(j.Part, partSuffix) || !filepath.IsAbs(j.Part) ||
		!isLeftOver(filepath.Base(j.Links)) || !filepath.IsAbs(j.Links) || !isLeftOver(filepath.Base(j.Copies)) || !filepath.IsAbs(j.Copies) {
		return nil, errors.New("it does not describe a backup")
	}
	return j, nil
}

// empty: it says nothing but the id in its name.
func (j *backupJournal) empty() bool { return j.Version == 0 }

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
	all, left := backupJournals(s.StateDir)
	if left != nil && !IsLeftBehind(left) {
		return left
	}
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
		if j.empty() {
			id := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(j.path), backupPrefix), ".json")
			if links := hiddenPrefix + id; isLeftOver(links) {
				j.Links = s.linksOf(links)
			}
			if err := s.removeBackups(ctx, j); err != nil {
				left = errors.Join(left, fmt.Errorf("after an interrupted backup: %w (journal %s)", err, j.path))
			}
			continue
		}
		if err := errors.Join(s.endBackup(ctx, j.id()), s.removeBackups(ctx, j)); err != nil {
			left = errors.Join(left, fmt.Errorf("after an interrupted backup of database %q: %w (journal %s)", j.Database, err, j.path))
		}
	}
	if left != nil && ctx.Err() == nil {
		left = leftBehindError{left}
	}
	return left
}

// linksOf finds a directory of links where nothing says of which database it is.
func (s *Server) linksOf(name string) string {
	found, err := s.Files.Find(func(n string) bool { return n == name })
	if err != nil || len(found) == 0 {
		return filepath.Join(s.Files.Root(), name)
	}
	return found[0]
}

// removeBackups removes what a dead backup has left.
func (s *Server) removeBackups(ctx context.Context, j *backupJournal) (err error) {
	if j.Links == "" {
		return j.end(ctx)
	}
	j.home, err = s.Files.Reopen(j.Database, filepath.Dir(j.Links), j.Database)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, j.lock.Close())
	}
	defer j.home.Close()
	return j.end(ctx)
}

// globQuote makes a directory's name stand for itself in a pattern.
func globQuote(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}
