package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/gofrs/flock"

	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/host/odoodb/journal"
	"github.com/odpm/odpm/host/odoodb/server"
	"github.com/odpm/odpm/shared/beneath"
	"github.com/odpm/odpm/shared/jsonpos"
)

// Journal names what a backup makes beside its archive, so that a kill
// leaves nothing for good. The running backup holds a lock on the file: who
// finds it unlocked knows that the backup is dead.
type Journal struct {
	Version  int    `json:"version"`
	Database string `json:"database"`
	// Part is the unfinished archive.
	Part string `json:"part"`
	// Archive is what it is called when it is complete.
	Archive string `json:"archive,omitempty"`
	// Links is the directory of hard links, Copies the one of files that could
	// not be linked; server.IsLeftOver knows their names.
	Links  string `json:"links"`
	Copies string `json:"copies"`

	// Path is the journal's own file.
	Path string `json:"-"`
	lock *flock.Flock
	// home is the directory with Links in it, nil where it is not there.
	home *filestore.Home
	// dest is the running backup's; nil where a killed one's is cleaned up.
	dest *destination
}

// id is the token that all of the backup's names have.
func (j *Journal) id() string { return strings.TrimPrefix(filepath.Base(j.Links), server.HiddenPrefix) }

func (j *Journal) begin(stateDir, id string) error {
	j.Version = journal.Version
	j.Path = filepath.Join(stateDir, journal.BackupPrefix+id+".json")
	// Locked before it has its name: there is no moment in which somebody else
	// could take it for a dead run's.
	err := journal.Save("backup", j.Path, j, func(tmp string) error {
		j.lock = flock.New(tmp, flock.SetFlag(os.O_RDWR))
		ok, err := j.lock.TryLock()
		if err == nil && !ok {
			err = errors.New("another process has locked it")
		}
		return err
	})
	if err != nil && j.lock != nil {
		err = errors.Join(err, j.lock.Close())
	}
	return err
}

// end removes what a backup made besides its archive, and then the journal.
func (j *Journal) end(ctx context.Context) error {
	err := j.endDestination(ctx)
	if j.home != nil {
		err = errors.Join(err, j.home.Remove(ctx, filepath.Base(j.Links)))
	}
	if err == nil {
		err = journal.Remove(j.Path)
	}
	if j.lock != nil {
		err = errors.Join(err, j.lock.Close())
	}
	return err
}

// endDestination removes what was made beside the archive.
func (j *Journal) endDestination(ctx context.Context) error {
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
	if err := syscall.Lstat(j.Path, &st); err != nil {
		return &fs.PathError{Op: "lstat", Path: j.Path, Err: err}
	}
	owner, part := int(st.Uid), filepath.Base(j.Part)
	err = removePart(dir, part, isDeadPart(dir, filepath.Base(j.Archive), owner))
	if errors.Is(err, syscall.ENAMETOOLONG) {
		err = nil // such a name was never made
	}
	return errors.Join(err, filestore.RemoveCopies(ctx, dir, filepath.Base(j.Copies), owner))
}

// Journals reads the journals that are there, of running backups as well.
// Nobody needs one: those that cannot be read are leftBehindErrors, beside the
// others.
func Journals(stateDir string) ([]*Journal, error) {
	found, err := filepath.Glob(filepath.Join(journal.GlobQuote(stateDir), journal.BackupPrefix+"*.json"))
	if err != nil {
		return nil, err
	}
	var all []*Journal
	var left error
	for _, path := range found {
		j, err := readBackupJournal(path)
		switch {
		case errors.Is(err, fs.ErrNotExist): // it has just ended
		case err != nil:
			left = errors.Join(left, leftBehindError{fmt.Errorf("the journal of an interrupted backup cannot be read: %s: %w. It is not needed any more; move it aside: %s", path, err, journal.MoveAside(path))})
		default:
			all = append(all, j)
		}
	}
	return all, left
}

func readBackupJournal(path string) (*Journal, error) {
	b, err := journal.Read(path)
	if err != nil {
		return nil, err
	}
	j := &Journal{Path: path}
	if len(bytes.Trim(b, "\x00")) == 0 {
		// A power cut took the content of a file that had its name and was not
		// synced, as these journals once were written.
		return j, nil
	}
	if err := jsonpos.Unmarshal(b, j); err != nil {
		return nil, err
	}
	// Its words lead to deleting, so they must be words of ours.
	if j.Version != journal.Version || !strings.HasSuffix(j.Part, partSuffix) || !filepath.IsAbs(j.Part) ||
		!server.IsLeftOver(filepath.Base(j.Links)) || !filepath.IsAbs(j.Links) || !server.IsLeftOver(filepath.Base(j.Copies)) || !filepath.IsAbs(j.Copies) {
		return nil, errors.New("it does not describe a backup")
	}
	return j, nil
}

// Empty: it says nothing but the id in its name.
func (j *Journal) Empty() bool { return j.Version == 0 }

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

// Recover removes what killed backups left.
func Recover(ctx context.Context, s *server.Server) error {
	all, left := Journals(s.StateDir)
	if left != nil && !IsLeftBehind(left) {
		return left
	}
	for _, j := range all {
		j.lock = flock.New(j.Path, flock.SetFlag(os.O_RDONLY))
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
		if j.Empty() {
			id := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(j.Path), journal.BackupPrefix), ".json")
			if links := server.HiddenPrefix + id; server.IsLeftOver(links) {
				j.Links = linksOf(s, links)
			}
			if err := removeBackups(ctx, s, j); err != nil {
				left = errors.Join(left, fmt.Errorf("after an interrupted backup: %w (journal %s)", err, j.Path))
			}
			continue
		}
		if err := errors.Join(endBackup(ctx, s, j.id()), removeBackups(ctx, s, j)); err != nil {
			left = errors.Join(left, fmt.Errorf("after an interrupted backup of database %q: %w (journal %s)", j.Database, err, j.Path))
		}
	}
	if left != nil && ctx.Err() == nil {
		left = leftBehindError{left}
	}
	return left
}

// linksOf finds a directory of links where nothing says of which database it is.
func linksOf(s *server.Server, name string) string {
	found, err := s.Files.Find(func(n string) bool { return n == name })
	if err != nil || len(found) == 0 {
		return filepath.Join(s.Files.Root(), name)
	}
	return found[0]
}

// removeBackups removes what a dead backup has left.
func removeBackups(ctx context.Context, s *server.Server, j *Journal) (err error) {
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
