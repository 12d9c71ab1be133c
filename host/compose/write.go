package compose

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/odpm/odpm/shared/durable"
)

// ErrForeign is what IsForeign looks for: the compose file is not ours.
var ErrForeign = errors.New("the compose file was not written by odpm")

type foreignError struct{ path string }

func (e *foreignError) Error() string {
	name := filepath.Base(e.path)
	return fmt.Sprintf(`%s was not written by odpm and is not overwritten. Choose one:
  mv %s %s.mine                 keep it aside; odpm writes its own
  odpm --replace-compose        odpm writes its own and keeps a dated copy of this one
  ODPM_COMPOSE=keep in .env     odpm works with this file as it is; POSTGRES_SERVICE_NAME names its PostgreSQL service`, e.path, name, name)
}

func (e *foreignError) Is(target error) bool { return target == ErrForeign }

// WriteOptions says what Write may do with a file that is there.
type WriteOptions struct {
	// Replace takes the place of a foreign file and keeps a dated copy of it.
	Replace bool
	// Now dates the copy; zero is the present.
	Now time.Time
}

// Written is what Write did.
type Written struct {
	// Changed is false where the file already had these bytes.
	Changed bool
	// Copy is where a replaced foreign file was kept, "" if none was.
	Copy string
}

// Check says what Write would do without doing it: whether the file would
// change, and ErrForeign where Write would refuse.
func Check(path string, content []byte, o WriteOptions) (changes bool, err error) {
	old, err := readCompose(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if !IsOurs(old) && !o.Replace {
		return false, &foreignError{path}
	}
	return !bytes.Equal(old, content), nil
}

// Write puts a document of ours in place: nothing is written where the file
// has these bytes already, a crash leaves the old or the new file whole, and a
// file that odpm did not write is refused (ErrForeign) unless Replace is set.
func Write(path string, content []byte, o WriteOptions) (Written, error) {
	changes, err := Check(path, content, o)
	if err != nil || !changes {
		return Written{}, err
	}
	mode := fs.FileMode(0o644)
	var w Written
	old, err := readCompose(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return w, err
	default:
		if st, err := os.Stat(path); err == nil {
			mode = st.Mode().Perm()
		}
		if !IsOurs(old) {
			if w.Copy, err = keepCopy(path, old, mode, o.Now); err != nil {
				return w, err
			}
		}
	}
	if err := durable.WriteFile(path, content, mode); err != nil {
		return w, err
	}
	w.Changed = true
	return w, nil
}

func readCompose(path string) ([]byte, error) {
	st, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		// A rename would replace a symbolic link by a file and leave its target
		// behind, unnoticed.
		return nil, fmt.Errorf("%s is not a regular file (%s): odpm writes it by rename and would break that; move it away", path, st.Mode().Type())
	}
	return os.ReadFile(path)
}

// keepCopy writes the old bytes beside the file under a name that no file has.
func keepCopy(path string, old []byte, mode fs.FileMode, now time.Time) (string, error) {
	if now.IsZero() {
		now = time.Now()
	}
	base := path + "." + now.Format("2006-01-02")
	for n := 1; ; n++ {
		name := base
		if n > 1 {
			name = base + "_" + itoa(n)
		}
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if errors.Is(err, fs.ErrExist) {
			if same, err := os.ReadFile(name); err == nil && bytes.Equal(same, old) {
				return name, nil
			}
			continue
		}
		if err != nil {
			return "", fmt.Errorf("keep a copy of %s: %w", path, err)
		}
		_, err = f.Write(old)
		err = errors.Join(err, f.Sync(), f.Close())
		if err != nil {
			return "", errors.Join(fmt.Errorf("keep a copy of %s: %w", path, err), os.Remove(name))
		}
		return name, nil
	}
}
