package ui

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/odpm/odpm/host/wording"
)

// Progress shows how far long work has come. Its methods may be called from
// several goroutines at a time.
type Progress interface {
	// Report says that a phase of a task has done so much of total; total is
	// 0 when nobody knows it. Unit is "B" for bytes, else what is counted.
	Report(task, phase, unit string, done, total int64)
	// Close ends all phases; nothing is drawn afterwards.
	Close()
}

// ProgressModes are the values of --progress.
var ProgressModes = []string{"auto", "tty", "plain", "json"}

// NewProgress makes the progress of a mode: bars on a terminal, one plain line
// now and then elsewhere, or one JSON object a line.
func (t *Terminal) NewProgress(mode string) Progress {
	if t.Quiet && mode == "auto" {
		return silent{}
	}
	if mode == "tty" || mode == "auto" && t.ErrTTY {
		return &bars{t: t, all: map[string]*bar{}}
	}
	return &lines{t: t, json: mode == "json", all: map[string]*line{}}
}

// silent is for --quiet.
type silent struct{}

func (silent) Report(string, string, string, int64, int64) {}
func (silent) Close()                                      {}

// Bytes writes a size as people read it, in binary units.
func Bytes(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n)/1024, 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	return fmt.Sprintf("%.1f %ciB", f, units[i])
}

type bars struct {
	t   *Terminal
	mu  sync.Mutex
	p   *mpb.Progress
	all map[string]*bar
}

type bar struct {
	*mpb.Bar
	done, total int64
}

func (b *bars) Report(task, phase, unit string, done, total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.p == nil {
		b.p = mpb.New(mpb.WithOutput(b.t.Stream()), mpb.WithWidth(min(b.t.Width, 100)), mpb.WithAutoRefresh())
		b.t.live.below(b.p)
	}
	one := b.all[phase]
	if one == nil {
		name := fmt.Sprintf("%s  %-9s ", b.short(task), phase)
		counter := decor.CountersNoUnit(" %d/%d "+unit, decor.WCSyncSpace)
		speed := decor.Decorator(decor.AverageSpeed(0, "%.0f/s", decor.WCSyncSpace))
		if unit == "B" {
			counter = decor.CountersKibiByte(" % .1f / % .1f", decor.WCSyncSpace)
			speed = decor.AverageSpeed(decor.SizeB1024(0), "% .1f", decor.WCSyncSpace)
		}
		figures := []decor.Decorator{decor.Percentage(decor.WCSyncSpace), counter, speed, decor.Name("  ETA "), decor.AverageETA(decor.ET_STYLE_MMSS)}
		if b.t.Width < wideBars {
			figures = slices.Delete(figures, 2, 3)
		}
		one = &bar{Bar: b.p.New(total, mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding("-").Rbound("]"),
			mpb.PrependDecorators(decor.Name(name)), mpb.AppendDecorators(figures...)), total: total}
		b.all[phase] = one
	}
	if total > 0 && total != one.total {
		one.SetTotal(total, false)
		one.total = total
	}
	// Reports of several goroutines overtake each other, and a bar does not go back.
	one.done = max(one.done, done)
	one.SetCurrent(one.done)
	if total > 0 && one.done >= total {
		one.SetTotal(total, true)
	}
}

// wideBars is how wide a terminal has to be for the speed to have room.
const wideBars = 100

// short makes room for the phase, a bar and its figures: of a task, "rehearse NAME",
// the name is shortened.
func (b *bars) short(task string) string {
	room := max(b.t.Width-58, 14)
	if b.t.Width >= wideBars {
		room = wideBars - 66
	}
	verb, name, _ := strings.Cut(task, " ")
	return strings.TrimSpace(verb + " " + wording.Middle(name, max(room-len(verb)-1, 5)))
}

func (b *bars) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.p == nil {
		return
	}
	for _, one := range b.all {
		if !one.Completed() {
			one.Abort(false)
		}
	}
	b.t.live.below(nil)
	b.p.Wait()
	b.p, b.all = nil, map[string]*bar{}
}

// lines is progress for logs: the start, every few seconds, and the end.
type lines struct {
	t    *Terminal
	json bool
	mu   sync.Mutex
	all  map[string]*line
}

type line struct {
	start, last time.Time
	ended       bool
}

const (
	plainEvery = 5 * time.Second
	jsonEvery  = 500 * time.Millisecond
)

func (l *lines) Report(task, phase, unit string, done, total int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	one := l.all[phase]
	if one == nil {
		one = &line{start: now}
		l.all[phase] = one
		if !l.json {
			one.last = now
			return
		}
	}
	every := plainEvery
	if l.json {
		every = jsonEvery
	}
	end := total > 0 && done >= total
	if one.ended || !end && now.Sub(one.last) < every {
		return
	}
	one.last, one.ended = now, end
	if l.json {
		b, _ := json.Marshal(map[string]any{"progress": map[string]any{"task": task, "phase": phase, "unit": unit,
			"done": done, "total": total, "seconds": now.Sub(one.start).Seconds()}})
		fmt.Fprintln(l.t.Err, string(b))
		return
	}
	l.t.Say("%s", plainLine(task, phase, unit, done, total, now.Sub(one.start)))
}

func plainLine(task, phase, unit string, done, total int64, took time.Duration) string {
	amount := func(n int64) string {
		if unit == "B" {
			return Bytes(n)
		}
		return fmt.Sprintf("%d", n)
	}
	parts := []string{task, phase}
	if total > 0 {
		parts = append(parts, fmt.Sprintf("%d%%", done*100/total), amount(done)+"/"+amount(total))
	} else {
		parts = append(parts, amount(done))
	}
	if unit != "B" {
		parts[len(parts)-1] += " " + unit
	}
	if s := took.Seconds(); s >= 1 && done > 0 {
		rate := float64(done) / s
		parts = append(parts, amount(int64(rate))+"/s")
		if total > done {
			left := time.Duration(float64(total-done)/rate) * time.Second
			parts = append(parts, fmt.Sprintf("ETA %d:%02d", int(left.Minutes()), int(left.Seconds())%60))
		}
	}
	return strings.Join(parts, "  ")
}

func (l *lines) Close() {}
