package snapshot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/odpm/odpm/shared/durable"
	"github.com/odpm/odpm/shared/regular"
	"github.com/odpm/odpm/shared/shell"
)

// What Load can find, for errors.Is.
var (
	// ErrMissing: there is no file; adoption may write one.
	ErrMissing = errors.New("no snapshot")
	// ErrUnreadable: there is one that cannot be opened or is not a regular file.
	ErrUnreadable = errors.New("snapshot cannot be read")
	// ErrInvalid: its content is not a snapshot.
	ErrInvalid = errors.New("snapshot is not valid")
	// ErrNewer: a newer odpm wrote it.
	ErrNewer = errors.New("snapshot was written by a newer odpm")
)

// LoadError names the file and the way out.
type LoadError struct {
	Path string
	Err  error
}

func (e *LoadError) Error() string {
	msg := fmt.Sprintf("%s: %v", e.Path, e.Err)
	switch {
	case errors.Is(e.Err, ErrNewer):
		return msg + "\nTo continue, use that odpm or a newer one here. Or move the file aside, and the next run adopts the cluster again:\n  " + e.aside()
	case errors.Is(e.Err, ErrInvalid), errors.Is(e.Err, ErrUnreadable):
		return msg + "\nTo continue, look at the file, then move it aside; the next run adopts the cluster again:\n  " + e.aside()
	}
	return msg
}

func (e *LoadError) aside() string {
	return "mv " + shell.Quote(e.Path) + " " + shell.Quote(e.Path+".aside")
}

func (e *LoadError) Unwrap() error { return e.Err }

// Load reads path as untrusted input: no symbolic link is followed, only a
// regular file of at most MaxSize is read, and a FIFO does not block.
func Load(path string) (*Snapshot, error) {
	data, err := read(path)
	if err != nil {
		return nil, &LoadError{path, err}
	}
	s, err := Decode(data)
	if err != nil {
		return nil, &LoadError{path, err}
	}
	return s, nil
}

func read(path string) ([]byte, error) {
	data, err := regular.ReadNoLink(path, MaxSize)
	why := err
	var at *fs.PathError
	if errors.As(err, &at) {
		why = at.Err
	}
	switch {
	case err == nil:
		return data, nil
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%w: %w", ErrMissing, err)
	case errors.Is(err, syscall.ENOTDIR):
		return nil, fmt.Errorf("%w: %s is not a directory", ErrUnreadable, filepath.Dir(path))
	case errors.Is(err, regular.ErrTooLarge):
		return nil, fmt.Errorf("%w: %w", ErrInvalid, why)
	}
	return nil, fmt.Errorf("%w: %w", ErrUnreadable, why)
}

// Save writes s beside path, syncs it, renames it over path and syncs the
// directory: after a power cut there is the old file or the new one, whole.
func Save(path string, s *Snapshot) error {
	data, err := s.Checked()
	if err != nil {
		return fmt.Errorf("%s was not written: %w", path, err)
	}
	return durable.WriteFile(path, data, 0o644)
}

// Checked encodes s, and gives no text that Load would refuse: members that
// were kept may have grown, and a path may hold anything.
func (s *Snapshot) Checked() ([]byte, error) {
	data, err := s.Encode()
	if err != nil {
		return nil, err
	}
	if _, err := Decode(data); err != nil {
		return nil, fmt.Errorf("it could not be read again: %w", err)
	}
	return data, nil
}
