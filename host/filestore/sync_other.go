//go:build !linux

package filestore

import (
	"errors"
	"math"

	"github.com/odpm/odpm/shared/beneath"
)

func syncTree(d *beneath.Dir) error {
	return d.Walk(walkDepth, nil, func(name string, info beneath.Info) error {
		if !info.Mode.IsRegular() {
			return nil
		}
		f, _, err := d.OpenRegular(name)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}

func freeSpace(*beneath.Dir) (int64, error) { return math.MaxInt64, nil }
