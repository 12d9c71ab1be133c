package archive

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
)

// tarSource is a tar, compressed with gzip or not. It can only be read from its
// beginning, and is, once for each pass.
type tarSource struct {
	f    *os.File
	size int64
	gz   bool
}

func (s tarSource) parallel() bool { return false }

func (s tarSource) reader() (*tar.Reader, io.Reader, error) {
	var r io.Reader = bufio.NewReaderSize(io.NewSectionReader(s.f, 0, s.size), 1<<18)
	if s.gz {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, nil, err
		}
		r = z
	}
	return tar.NewReader(r), r, nil
}

func (s tarSource) each(yield func(member) error) error {
	t, rest, err := s.reader()
	if err != nil {
		return err
	}
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			// The checksum of gzip is at its end.
			if _, err = io.Copy(io.Discard, rest); err != nil {
				return fmt.Errorf("is damaged or truncated (%w)", err)
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("is damaged or truncated (%w)", err)
		}
		m := member{name: h.Name, size: h.Size, mode: tarMode(h.Typeflag), open: func() (io.ReadCloser, error) { return io.NopCloser(t), nil }}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if err := yield(m); err != nil {
			return err
		}
	}
}

func tarMode(flag byte) os.FileMode {
	switch flag {
	case tar.TypeReg:
		return 0
	case tar.TypeDir:
		return os.ModeDir
	case tar.TypeSymlink:
		return os.ModeSymlink
	}
	return os.ModeIrregular
}

// again opens a member in a pass of its own.
func (s tarSource) again(name string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		t, _, err := s.reader()
		if err != nil {
			return nil, err
		}
		for {
			h, err := t.Next()
			if err != nil {
				return nil, fmt.Errorf("has %q damaged (%w)", name, err)
			}
			if h.Name == name {
				return io.NopCloser(t), nil
			}
		}
	}
}
