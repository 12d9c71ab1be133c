//go:build !linux

package odoodb

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
)

// syncTree makes everything written below dir durable, file by file.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}

// freeSpace is not asked for here; a full disk ends the restore with its error.
func freeSpace(string) (int64, error) { return math.MaxInt64, nil }

func device(os.FileInfo) uint64 { return 0 }

func ownerOf(os.FileInfo) *owner { return nil }
