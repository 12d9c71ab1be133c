package compose

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"

	"github.com/odpm/odpm/shared/durable"
	"github.com/odpm/odpm/shared/regular"
	"github.com/odpm/odpm/shared/shell"
)

// ErrForeign is what IsForeign looks for: the compose file is not ours.
var ErrForeign = errors.New("the compose file was not written by odpm")

// foreignError: path is the file; beside is set where it is one that docker
// compose would take for, or look at beside, odpm's.
type foreignError struct {
	path   string
	beside bool
	// external: a file is kept only together with its PostgreSQL.
	external bool
	// override is the name of the override that docker compose reads with path, "" for
	// none.
	override string
}

func (e *foreignError) Error() string {
	name := filepath.Base(e.path)
	what, kept := e.path+" was not written by odpm and is not overwritten.", "a dated copy of this one"
	if e.beside {
		what = fmt.Sprintf("%s was not written by odpm, and docker compose reads it by its name: beside odpm's %s it would not be clear which one is meant.", e.path, FileName)
		kept = "this one under a dated name"
	}
	adopt, keep := "odpm adopt "+shell.Quote(name), "; with --keep the file stays"
	if e.external {
		adopt, keep = adopt+" --external", ""
	}
	ways := []string{
		adopt + "        takes its stack over in one plan, up to a proven login" + keep + "; odpm adopt --undo is the way back",
		"ODPM_COMPOSE=keep in .env        odpm works with this file as it is; POSTGRES_SERVICE_NAME names its PostgreSQL service",
		"odpm init --from-compose " + shell.Quote(name) + "        writes settings and an override that keep its data and services",
		"odpm --replace-compose        odpm writes its own and keeps " + kept + "; it refuses where the new stack would lack data",
	}
	if e.external {
		ways = slices.Delete(ways, 1, 2)
	}
	if e.override != "" {
		// Before the one that replaces the file.
		ways = slices.Insert(ways, len(ways)-1, fmt.Sprintf("docker compose -f %s up -d        until then: starts the stack of this file, without %s, which belongs to odpm's own", shell.Quote(name), e.override))
	}
	return what + " Choose one:\n  " + strings.Join(ways, "\n  ")
}

func (e *foreignError) Is(target error) bool { return target == ErrForeign }

// OverrideName is the override that odpm proposes.
const OverrideName = "docker-compose.override.yml"

// OverrideHeader is what an override of odpm's proposing begins with.
const OverrideHeader = `# What this project adds to the docker-compose.yml that odpm writes; compose
# merges both files. This one is yours: odpm does not change it.
`

// overrideOf is the override that odpm proposed beside a file.
func overrideOf(path string) string {
	if data, err := os.ReadFile(filepath.Join(filepath.Dir(path), OverrideName)); err != nil || !strings.HasPrefix(string(data), OverrideHeader) {
		return ""
	}
	return OverrideName
}

// WriteOptions says what Write may do with a file that is there.
type WriteOptions struct {
	// Replace takes the place of a foreign file and keeps a dated copy of it.
	Replace bool
	// External: PostgreSQL runs elsewhere, so that the file cannot be kept.
	External bool
	// Now dates the copy; zero is the present.
	Now time.Time
}

// Written is what Write did.
type Written struct {
	// Changed is false where the file already had these bytes.
	Changed bool
	// Copies are the foreign files that were replaced or moved aside.
	Copies []Kept
}

// Kept is a foreign file, and where it is now.
type Kept struct{ Path, Copy string }

// Found is what lies where the compose file goes.
type Found struct {
	Path string
	// Bytes is nil where there is no file.
	Bytes []byte
	// Beside are the other files that docker compose reads by their names.
	Beside []string
	// Err is why the file cannot be read.
	Err error
}

// Look reads what is there.
func Look(path string) Found {
	f := Found{Path: path, Beside: Beside(path)}
	f.Bytes, f.Err = ReadFile(path)
	if errors.Is(f.Err, fs.ErrNotExist) {
		f.Bytes, f.Err = nil, nil
	} else if f.Err == nil && f.Bytes == nil {
		f.Bytes = []byte{}
	}
	return f
}

// Check says what Write would do to it: whether the file would change, and
// ErrForeign where Write would refuse.
func (f Found) Check(content []byte, o WriteOptions) (changes bool, err error) {
	switch {
	case f.Err != nil:
		return false, f.Err
	case f.Bytes != nil && !IsOurs(f.Bytes) && !o.Replace:
		return false, &foreignError{path: f.Path, external: o.External, override: overrideOf(f.Path)}
	case len(f.Beside) > 0 && !o.Replace:
		return false, &foreignError{path: f.Beside[0], beside: true, external: o.External, override: overrideOf(f.Beside[0])}
	case len(f.Beside) > 0 || f.Bytes == nil:
		return true, nil
	}
	return !bytes.Equal(f.Bytes, content), nil
}

// Beside are the other files in the directory that docker compose reads by
// their names, some of them before docker-compose.yml.
func Beside(path string) []string {
	own, ownErr := os.Stat(path)
	var found []string
	for _, name := range cli.DefaultFileNames {
		other := filepath.Join(filepath.Dir(path), name)
		info, err := os.Stat(other)
		if name == filepath.Base(path) || err != nil || ownErr == nil && os.SameFile(own, info) {
			continue
		}
		found = append(found, other)
	}
	return found
}

// Write puts a document of ours in place: nothing is written where the file
// has these bytes already, a crash leaves the old or the new file whole, and a
// file that odpm did not write is refused (ErrForeign) unless Replace is set.
func Write(path string, content []byte, o WriteOptions) (Written, error) {
	changes, err := Look(path).Check(content, o)
	if err != nil || !changes {
		return Written{}, err
	}
	mode := fs.FileMode(0o644)
	var w Written
	old, err := ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return w, err
	default:
		if st, err := os.Stat(path); err == nil {
			mode = st.Mode().Perm()
		}
		if !IsOurs(old) {
			kept, err := keepCopy(path, old, mode, o.Now)
			if err != nil {
				return w, err
			}
			w.Copies = append(w.Copies, Kept{path, kept})
		}
	}
	if !bytes.Equal(old, content) {
		if err := durable.WriteFile(path, content, mode); err != nil {
			return w, err
		}
		w.Changed = true
	}
	for _, other := range Beside(path) {
		kept, err := moveAside(other, o.Now)
		if err != nil {
			return w, err
		}
		w.Copies = append(w.Copies, Kept{other, kept})
		w.Changed = true
	}
	return w, nil
}

// ReadFile reads a compose file, which must be one: no link, pipe or device.
func ReadFile(path string) ([]byte, error) {
	st, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		// A rename would replace a symbolic link by a file and leave its target
		// behind, unnoticed.
		return nil, fmt.Errorf("%s is not a regular file (%s): odpm writes it by rename and would break that; move it elsewhere", path, st.Mode().Type())
	}
	return regular.ReadNoLink(path, 16<<20)
}

// keepCopy writes the old bytes beside the file under a name that no file has.
func keepCopy(path string, old []byte, mode fs.FileMode, now time.Time) (string, error) {
	for n := 1; ; n++ {
		name := dated(path, now, n)
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

// moveAside gives a file a dated name that no file has. A symbolic link is
// moved, not what it points to.
func moveAside(path string, now time.Time) (string, error) {
	for n := 1; ; n++ {
		name := dated(path, now, n)
		if _, err := os.Lstat(name); err == nil {
			continue
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		return name, os.Rename(path, name)
	}
}

// dated is the nth name for a copy of the day.
func dated(path string, now time.Time, n int) string {
	if now.IsZero() {
		now = time.Now()
	}
	name := path + "." + now.Format("2006-01-02")
	if n > 1 {
		name += "_" + itoa(n)
	}
	return name
}
