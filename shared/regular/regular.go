// Package regular reads files that are short and nothing else. A pipe in the
// place of one would keep its reader for ever, a device has no end, and where
// somebody else may write, a link leads to whatever he may not read himself.
package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

var (
	// ErrNotRegular: there is a link, a pipe, a device, a socket or a directory.
	ErrNotRegular = errors.New("not a regular file")
	// ErrTooLarge: there is more than the limit.
	ErrTooLarge = errors.New("larger than")
)

// Read reads a person's file of at most limit bytes. Links are followed:
// people keep their files elsewhere. Of devices there is /dev/null, which is
// empty, and others that are as good as their first limit bytes.
func Read(path string, limit int64) ([]byte, error) {
	f, err := open(os.OpenFile, path, 0)
	if err != nil {
		return nil, err
	}
	return content(f, path, limit)
}

// ReadNoLink reads a file that lies where somebody else may write: path's last
// component is no link, and it is a regular file.
func ReadNoLink(path string, limit int64) ([]byte, error) {
	f, err := open(os.OpenFile, path, syscall.O_NOFOLLOW)
	if err != nil {
		return nil, err
	}
	return content(f, path, limit)
}

// ReadIn reads a file below root, all of which somebody else may write: the
// file is no link, and none on its way leads out of root.
func ReadIn(root *os.Root, name string, limit int64) ([]byte, error) {
	f, err := OpenIn(root, name)
	if err != nil {
		return nil, err
	}
	return content(f, name, limit)
}

// OpenIn opens what ReadIn reads.
func OpenIn(root *os.Root, name string) (*os.File, error) {
	// os.Root follows links as far as they stay below it, whatever the flags.
	if info, err := root.Lstat(name); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return nil, refused(name, Kind(info.Mode()))
	}
	return open(root.OpenFile, name, syscall.O_NOFOLLOW)
}

// OpenRoot opens a directory for ReadIn, its own links followed. A pipe at path
// does not keep it, as it keeps os.OpenRoot.
func OpenRoot(path string) (*os.Root, error) {
	return os.OpenRoot(strings.TrimRight(path, "/") + "/")
}

// Open opens a person's file that is too long to be kept, links followed.
func Open(path string) (*os.File, error) {
	return open(os.OpenFile, path, 0)
}

// OpenNoLink opens a file that is too long to be kept and lies where somebody
// else may write.
func OpenNoLink(path string) (*os.File, error) {
	return open(os.OpenFile, path, syscall.O_NOFOLLOW)
}

func open(how func(string, int, os.FileMode) (*os.File, error), path string, flag int) (*os.File, error) {
	// O_NONBLOCK: opening a pipe waits for its writer otherwise. It changes
	// nothing for a regular file.
	f, err := how(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC|flag, 0)
	if flag != 0 && errors.Is(err, syscall.ELOOP) {
		return nil, refused(path, "a symbolic link")
	}
	if errors.Is(err, syscall.ENXIO) {
		return nil, refused(path, "a socket")
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		if kind := Kind(info.Mode()); flag != 0 || kind != "a device" {
			err = refused(path, kind)
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func refused(path, kind string) error {
	return &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("it is %s, %w", kind, ErrNotRegular)}
}

// Is tells whether there is a file that can be read to its end, also behind a link.
func Is(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// Kind is what a file is, in words.
func Kind(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return "a regular file"
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

func content(f *os.File, path string, limit int64) ([]byte, error) {
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("it is %w %d bytes", ErrTooLarge, limit)}
	}
	return data, err
}
