package apply

import (
	"testing"
	"time"
)

// TestAway: an answer that a waiting run has seen counts, although the one who
// looks beside it has not seen it yet.
func TestAway(t *testing.T) {
	began := time.Now()
	s := &Run{}
	a := &Absence{s: s, stopped: began, started: began.Add(time.Second)}
	if away, answers := a.Away(); away != time.Second || answers {
		t.Errorf("before any answer: %s %v", away, answers)
	}
	s.answeredAt = began.Add(-time.Second)
	if _, answers := a.Away(); answers {
		t.Error("an answer from before the stop counts")
	}
	s.answeredAt = began.Add(3 * time.Second)
	if away, answers := a.Away(); away != 3*time.Second || !answers {
		t.Errorf("after the run's: %s %v", away, answers)
	}
	a.answered = began.Add(2 * time.Second)
	if away, answers := a.Away(); away != 2*time.Second || !answers {
		t.Errorf("after its own: %s %v", away, answers)
	}
}
