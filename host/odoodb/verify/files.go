package verify

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/odpm/odpm/host/filestore"
	"github.com/odpm/odpm/host/odoodb/archive"
)

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, 1<<16); return &b }}

// Copy copies one of many thousand files with a buffer that the next one has, too.
func Copy(w io.Writer, r io.Reader) error {
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, *buf)
	return err
}

// fileContent compares content and name: Odoo names a file xx/SHA-1.
func fileContent(f archive.File, r io.Reader) (intact bool, err error) {
	sum := sha1.New()
	if err := Copy(sum, r); err != nil {
		return false, err
	}
	name := path.Base(f.Name)
	if len(name) != 2*sha1.Size || strings.HasPrefix(f.Name, filestore.Checklist+"/") {
		return true, nil
	}
	if _, err := hex.DecodeString(name); err != nil {
		return true, nil
	}
	return hex.EncodeToString(sum.Sum(nil)) == name, nil
}

// cancelReader ends with its context.
type cancelReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// Store reads a whole file store and compares contents with names.
func Store(ctx context.Context, store *filestore.Store) (intact, damaged int, err error) {
	err = store.Each(func(string) bool { return false }, func(name string, size int64) error {
		f, _, err := store.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		ok, err := fileContent(archive.File{Name: name, Size: size}, &cancelReader{ctx, f})
		switch {
		case err != nil:
			return err
		case ok:
			intact++
		default:
			damaged++
		}
		return nil
	})
	return intact, damaged, err
}

// SHA256 names an archive; a folder has no such name.
func SHA256(ctx context.Context, file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		if err == nil && info.IsDir() {
			return "", nil
		}
		return "", errors.Join(err, &archive.Error{Path: file, Why: "is not a file"})
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, &cancelReader{ctx, f}); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
