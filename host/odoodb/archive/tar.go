package archive

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// tarSource is a tar. Compressed with gzip it can only be read from its beginning,
// and is, once for each pass.
type tarSource struct {
	f    *os.File
	size int64
	// layers is how often it is compressed with gzip.
	layers int
}

func (s tarSource) parallel() bool { return s.layers == 0 }

func (s tarSource) reader() (*tar.Reader, io.Reader, error) {
	whole := io.NewSectionReader(s.f, 0, s.size)
	if s.layers == 0 {
		return tar.NewReader(whole), whole, nil // which it skips in
	}
	z, err := gunzipped(io.NopCloser(whole), s.layers)
	if err != nil {
		return nil, nil, err
	}
	return tar.NewReader(z), z, nil
}

// at gives a member of a tar that is not compressed by its place.
func (s tarSource) at(whole io.Reader, h *tar.Header) func() (io.ReadCloser, error) {
	place, err := whole.(io.Seeker).Seek(0, io.SeekCurrent)
	return func() (io.ReadCloser, error) {
		if err == nil && place+h.Size > s.size {
			err = fmt.Errorf("is damaged or truncated in %q", h.Name)
		}
		return io.NopCloser(io.NewSectionReader(s.f, place, h.Size)), err
	}
}

// sparse files of GNU tar have other content than the tar itself.
func sparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
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
			if s.parallel() {
				return nil
			}
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
		switch {
		case h.Typeflag == tar.TypeLink:
			m.packedAs = fmt.Sprintf("a hard link to %q", short(h.Linkname))
		case h.Typeflag == tar.TypeGNUSparse || sparse(h):
			m.mode, m.packedAs = os.ModeIrregular, "a sparse file"
		}
		if s.parallel() {
			m.open = s.at(rest, h)
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
				return nil, fmt.Errorf("contains a damaged file, %q (%w)", name, err)
			}
			if h.Name == name {
				return io.NopCloser(t), nil
			}
		}
	}
}
