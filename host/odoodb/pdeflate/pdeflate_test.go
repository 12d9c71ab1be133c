package pdeflate

import (
	"bytes"
	stdflate "compress/flate"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, BlockSize - 1, BlockSize, BlockSize + 1, 7*BlockSize + 12345} {
		in := make([]byte, size)
		for i := range in {
			in[i] = "odoo database\n"[rng.IntN(14)]
		}
		for _, workers := range []int{1, 3} {
			var out bytes.Buffer
			w, err := NewWriter(&out, 3, workers)
			if err != nil {
				t.Fatal(err)
			}
			for rest := in; len(rest) > 0; {
				n := min(len(rest), 1+rng.IntN(300_000))
				if _, err := w.Write(rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			// The standard library is the oracle.
			got, err := io.ReadAll(stdflate.NewReader(&out))
			if err != nil || !bytes.Equal(got, in) {
				t.Fatalf("%d bytes, %d workers: %d came back, %v", size, workers, len(got), err)
			}
		}
	}
}

type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestWriteError(t *testing.T) {
	w, err := NewWriter(&full{1000}, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, BlockSize)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	for range 50 {
		if _, err = w.Write(noise); err != nil {
			break
		}
	}
	if err == nil || w.Close() == nil {
		t.Error("the disk's being full is not reported")
	}
	w.Stop()
}
