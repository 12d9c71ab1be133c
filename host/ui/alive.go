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
	// bars are what moves the cursor now, nil for nothing: what is written then has
	// to go through them, or they would draw over it.
	bars io.Writer
	// beats: somebody shows that work goes on. last is when something was written.
	beats bool
	last  time.Time
}

func (a *alive) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.clear()
	a.last = time.Now()
	if a.bars != nil {
		if n, err := a.bars.Write(p); err == nil {
			return n, nil
		}
	}
	if len(p) > 0 {
		a.partial = p[len(p)-1] != '\n'
	}
	return a.w.Write(p)
}

// answered: the person's Enter has ended the line of a question.
func (a *alive) answered() {
	if a != nil {
		a.mu.Lock()
		a.partial, a.last = false, time.Now()
		a.mu.Unlock()
	}
}

// below says what moves the cursor from now on.
func (a *alive) below(bars io.Writer) {
	if a != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.clear()
		a.bars, a.last = bars, time.Now()
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
	if a.partial || a.bars != nil {
		return
	}
	io.WriteString(a.w, "\r\x1b[K"+line)
	a.drawn = true
}

// begin tells whether somebody may show that work goes on: one at a time does.
func (a *alive) begin() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	was := a.beats
	a.beats, a.last = true, time.Now()
	return !was
}

func (a *alive) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.clear()
	a.beats = false
}

// silent is for how long nothing was written.
func (a *alive) silent() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Since(a.last)
}

// Alive shows on a terminal, until end is called, how long nothing has been said,
// below the line that says what is being done. Of two that overlap the first
// does.
func (t *Terminal) Alive() (end func()) { return t.Working("") }

// Working is Alive for work that no line above has named: what it is stands
// beside the time.
func (t *Terminal) Working(what string) (end func()) {
	if t.live == nil || t.Quiet || !t.animated || !t.live.begin() {
		return func() {}
	}
	name := " "
	if what != "" {
		name = "odpm: " + what
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTimer(aliveAfter)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				silent := t.live.silent()
				if silent < aliveAfter {
					tick.Reset(aliveAfter - silent)
					continue
				}
				t.live.draw(Paint(t.ErrColor, Dim, fmt.Sprintf("%s … %s", name, silent.Round(time.Second))))
				tick.Reset(aliveEvery)
			}
		}
	}()
	return func() {
		close(stop)
		<-done
		t.live.end()
	}
}

// Lend gives the error stream itself to a program that writes to it, until back is
// called.
func (t *Terminal) Lend() (stream io.Writer, back func()) {
	if t.live == nil {
		return t.Stream(), func() {}
	}
	t.live.below(t.raw)
	return t.raw, func() { t.live.below(nil) }
}
