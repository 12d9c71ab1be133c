package backup

import (
	"os"
	"testing"
	"time"
)

// TestPipeHoldsAPause: what a program writes while nobody reads fits, so the program
// does not wait for the pause to end.
func TestPipeHoldsAPause(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if !enlarge(w) {
		t.Fatal("the pipe stays as it is")
	}
	if err := w.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	for range pipeSize / 4096 {
		if _, err := w.Write(make([]byte, 4096)); err != nil {
			t.Fatal(err)
		}
	}
}
