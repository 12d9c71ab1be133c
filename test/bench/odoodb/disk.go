package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// watched also measures by how much the disk use peaks above what it was.
func (p *place) watched(f func() error) (seconds float64, disk int64, err error) {
	before := p.diskUse()
	done, ended := make(chan struct{}), make(chan int64)
	go func() {
		peak := before
		tick := time.NewTicker(2 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				peak = max(peak, p.diskUse())
			case <-done:
				ended <- max(peak, p.diskUse())
				return
			}
		}
	}()
	seconds, err = timed(f)
	close(done)
	return seconds, <-ended - before, err
}

// diskUse counts every inode once, as du does. PostgreSQL's write-ahead log is
// left out: its size is the server's setting and not a backup's or a restore's.
func (p *place) diskUse() int64 { return blocks(p.Dir) }

func blocks(dir string) (n int64) {
	seen := map[uint64]bool{}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // files come and go
		}
		if d.IsDir() {
			if d.Name() == "pg_wal" {
				return fs.SkipDir
			}
			return nil
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
