package wording

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/odpm/odpm/shared/regular"
)

// NoSuchPath says which part of a path is not there, and what was probably
// meant: the system names the whole of it and not the part. It is "" for a path
// that is there, or cannot be looked at.
func NoSuchPath(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return ""
	}
	missing := ""
	at := abs
	info, err := os.Stat(at)
	for err != nil {
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) || at == filepath.Dir(at) {
			return ""
		}
		if to, lerr := os.Readlink(at); lerr == nil {
			return fmt.Sprintf("%s is a link to %s, which does not exist", at, to)
		}
		missing, at = at, filepath.Dir(at)
		info, err = os.Stat(at)
	}
	switch {
	case missing == "":
		return ""
	case !info.IsDir():
		return fmt.Sprintf("%s is %s, not a directory", at, kind(info))
	case missing == abs:
		return fmt.Sprintf("there is no %s in %s%s", filepath.Base(abs), at, near(missing, at, false))
	}
	return fmt.Sprintf("the directory %s does not exist%s", missing, near(missing, at, true))
}

// near asks for the entry of a directory that a name is probably a slip of.
func near(path, dir string, directories bool) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	var names []string
	for _, e := range entries {
		if !directories || e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return DidYouMean(filepath.Base(path), names)
}

// BadFile says why a file that a person named cannot be read or written: err is
// what the system said. It is err itself where that says enough.
func BadFile(path string, err error) error {
	if text := NoSuchPath(path); text != "" && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)) {
		return &badFile{text, err}
	}
	info, serr := os.Stat(path)
	if serr == nil && !info.Mode().IsRegular() && (errors.Is(err, regular.ErrNotRegular) || errors.Is(err, syscall.EISDIR)) {
		return &badFile{fmt.Sprintf("%s is %s, not a file", path, kind(info)), err}
	}
	return err
}

// kind is what a file is, in a person's words.
func kind(info fs.FileInfo) string {
	return strings.Replace(regular.Kind(info.Mode()), "a regular", "a", 1)
}

// badFile keeps the system's error for errors.Is, and says it in words.
type badFile struct {
	text string
	err  error
}

func (b *badFile) Error() string { return b.text }
func (b *badFile) Unwrap() error { return b.err }
