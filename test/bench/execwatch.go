package main

import (
	"encoding/binary"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// execWatch notes when programs are exec'd: the kernel opens their files then,
// which a program that took the time itself could say only after its own
// start.
type execWatch struct {
	file  *os.File
	names map[int32]string

	mu sync.Mutex
	// last is when each was opened last since the last forget: the checker opens
	// its program before that, to see whether it is a script.
	last map[string]time.Time
}

func newExecWatch(programs map[string]string) (*execWatch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	w := &execWatch{file: os.NewFile(uintptr(fd), "inotify"), names: map[int32]string{}, last: map[string]time.Time{}}
	for name, path := range programs {
		wd, err := unix.InotifyAddWatch(fd, path, unix.IN_OPEN)
		if err != nil {
			w.close()
			return nil, err
		}
		w.names[int32(wd)] = name
	}
	go w.read()
	return w, nil
}

func (w *execWatch) read() {
	buf := make([]byte, 4096)
	for {
		n, err := w.file.Read(buf)
		now := time.Now()
		if err != nil {
			return
		}
		w.mu.Lock()
		for at := 0; at+unix.SizeofInotifyEvent <= n; {
			name := w.names[int32(binary.NativeEndian.Uint32(buf[at:]))]
			w.last[name] = now
			at += unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(buf[at+12:]))
		}
		w.mu.Unlock()
	}
}

func (w *execWatch) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = map[string]time.Time{}
}

// at waits a moment for the news: a short program may have ended before them.
func (w *execWatch) at(name string) (t time.Time, ok bool) {
	time.Sleep(50 * time.Millisecond)
	for range 200 {
		w.mu.Lock()
		t, ok = w.last[name]
		w.mu.Unlock()
		if ok {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	return t, ok
}

func (w *execWatch) close() { w.file.Close() }
