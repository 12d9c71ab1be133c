package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/odpm/odpm/host/odoodb/disk"
)

// watched also measures by how much the disk use peaks above what it was. It asks
// the file system, which knows: a walk over a hundred thousand files every other
// second took a tenth of the processors, from the one side that is watched.
func (p *place) watched(f func() error) (seconds float64, disk int64, err error) {
	// ext4 gives back a file's blocks when its journal is next written.
	syscall.Sync()
	before, err := p.diskUse()
	if err != nil {
		return 0, 0, err
	}
	done, ended := make(chan struct{}), make(chan int64)
	go func() {
		peak := before
		look := func() {
			if n, err := p.diskUse(); err == nil {
				peak = max(peak, n)
			}
		}
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				look()
			case <-done:
				look()
				ended <- peak
				return
			}
		}
	}()
	seconds, err = timed(f)
	close(done)
	return seconds, <-ended - before, err
}

// diskUse is what is used of the file system, less all that it has, by whomever: nothing
// else may write much there meanwhile. PostgreSQL's write-ahead log is left out: its size is the
// server's setting and not a backup's or a restore's.
func (p *place) diskUse() (int64, error) {
	free, err := disk.Free(p.Dir)
	return -free - blocks(filepath.Join(p.data(), "pg_wal")), err
}

// blocks counts every inode once, as du does.
func blocks(dir string) (n int64) {
	seen := map[uint64]bool{}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // files come and go
		}
		if info, err := d.Info(); err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok && !seen[st.Ino] {
				seen[st.Ino] = true
				n += st.Blocks * 512
			}
		}
		return nil
	})
	return n
}

func size(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return st.Size()
}
