// Package interrupt ends a run early: within moments, wherever it is, and only
// after what has to be cleaned up.
package interrupt

import (
	"context"
	"sync"
	"time"
)

const (
	// Grace is how long a run may take from its first signal to its end.
	Grace = 1500 * time.Millisecond
	// homeward is how long a run may take from the end of its cleaning up to
	// its own.
	homeward = 500 * time.Millisecond
)

// Work is what a run still puts in order when it was told to end.
type Work struct {
	mu   sync.Mutex
	open int
	last time.Time
}

type key struct{}

// With carries w to everybody who cleans up.
func With(ctx context.Context, w *Work) context.Context { return context.WithValue(ctx, key{}, w) }

// Cleanup is a context for what must be done although ctx has ended: dropping
// a half-made database, ending a program in a container. It ends after limit
// or with done, which must be called. The run is not ended by force before.
func Cleanup(ctx context.Context, limit time.Duration) (clean context.Context, done context.CancelFunc) {
	w, _ := ctx.Value(key{}).(*Work)
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	w.add(1)
	return clean, sync.OnceFunc(func() {
		cancel()
		w.add(-1)
	})
}

func (w *Work) add(n int) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open += n
	w.last = time.Now()
}

// Idle waits until a run that was told to end has had its time: Grace from
// now, longer while something is cleaned up. Busy is called once if that
// takes longer.
func (w *Work) Idle(busy func()) {
	time.Sleep(Grace)
	for told := false; ; time.Sleep(10 * time.Millisecond) {
		w.mu.Lock()
		open, last := w.open, w.last
		w.mu.Unlock()
		switch {
		case open > 0 && !told:
			told = true
			busy()
		case open == 0 && time.Since(last) > homeward:
			return
		}
	}
}
