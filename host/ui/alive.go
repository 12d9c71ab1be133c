package ui

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// aliveAfter is how long work may take before it shows that it is still going on,
// and aliveEvery how often it then does: a person who sees nothing for longer
// thinks that it hangs.
const (
	aliveAfter = 1500 * time.Millisecond
	aliveEvery = time.Second
)

// alive is the error stream of a terminal. Below what was written there it can
// show one line that is gone as soon as anything else is written.
type alive struct {
	w     io.Writer
	mu    sync.Mutex
	drawn bool
	// partial: what was written last did not end its line, a question for example.
	partial bool
}

func (a *alive) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.clear()
	if len(p) > 0 {
		a.partial = p[len(p)-1] != '\n'
	}
	return a.w.Write(p)
}

// answered: the person's Enter has ended the line of a question.
func (a *alive) answered() {
	if a != nil {
		a.mu.Lock()
		a.partial = false
		a.mu.Unlock()
	}
}

func (a *alive) clear() {
	if a.drawn {
		io.WriteString(a.w, "\r\x1b[K")
		a.drawn = false
	}
}

func (a *alive) draw(line string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.partial {
		return
	}
	io.WriteString(a.w, "\r\x1b[K"+line)
	a.drawn = true
}

// Alive shows on a terminal how long something is taking already, below the line
// that says what it is, until end is called. Nothing else may move the cursor
// meanwhile.
func (t *Terminal) Alive() (end func()) {
	if t.live == nil || t.Quiet || !t.animated {
		return func() {}
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		began := time.Now()
		tick := time.NewTimer(aliveAfter)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				t.live.draw(Paint(t.ErrColor, Dim, fmt.Sprintf("  … %s", time.Since(began).Round(time.Second))))
				tick.Reset(aliveEvery)
			}
		}
	}()
	return func() {
		close(stop)
		<-done
		t.live.mu.Lock()
		defer t.live.mu.Unlock()
		t.live.clear()
	}
}
