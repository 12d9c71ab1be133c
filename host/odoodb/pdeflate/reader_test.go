package pdeflate

import (
	"bytes"
	stdflate "compress/flate"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/klauspost/compress/flate"
)

// readWide reads a stream on several cores, and says how often the rest of it was left to
// one.
func readWide(in []byte, workers int) (out []byte, left int, err error) {
	r := NewReader(bytes.NewReader(in), int64(len(in)), workers, func(offset int64, window []byte) (io.Reader, error) {
		left++
		return flate.NewReaderDict(bytes.NewReader(in[offset:]), window), nil
	})
	defer r.Close()
	out, err = io.ReadAll(r)
	return out, left, err
}

// written is what Writer makes.
func written(t testing.TB, text []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, 5, 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// dump is rows of many lengths, so that pieces end within them.
func dump(size int) []byte {
	rng := rand.New(rand.NewPCG(3, 4))
	var b bytes.Buffer
	for b.Len() < size {
		for range rng.IntN(40) {
			b.WriteString([]string{"odoo", "\t", "base", "\\N", "18.0", "<p>", "2026-01-01 "}[rng.IntN(7)])
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

func noise(size int) []byte {
	rng := rand.NewChaCha8([32]byte{5})
	b := make([]byte, size)
	_, _ = rng.Read(b)
	return b
}

// TestReader reads what Writer writes, which is never left to one core.
func TestReader(t *testing.T) {
	for name, text := range map[string][]byte{
		"empty": nil, "one byte": {1}, "rows": dump(5*BlockSize + 1234), "a block": dump(BlockSize)[:BlockSize], "blocks": dump(3 * BlockSize)[:3*BlockSize],
		"noise": noise(3*BlockSize + 77), "zeros": make([]byte, 40*BlockSize), "flushes": bytes.Repeat(flushed, BlockSize/2),
	} {
		packed := written(t, text)
		for _, workers := range []int{1, 3} {
			out, left, err := readWide(packed, workers)
			if err != nil || left > 0 || !bytes.Equal(out, text) {
				t.Errorf("%s, %d workers: %d of %d bytes, left %d times, %v", name, workers, len(out), len(text), left, err)
			}
		}
	}
}

// TestReaderCutByChance: a piece that is cut off in the middle of a block goes on with the
// next one, also where the random probe behind it has made it too large.
func TestReaderCutByChance(t *testing.T) {
	text := bytes.Repeat(flushed, BlockSize/2)
	packed := written(t, text)
	for range 100 {
		if out, left, err := readWide(packed, 1); err != nil || left > 0 || !bytes.Equal(out, text) {
			t.Fatalf("%d of %d bytes, left %d times, %v", len(out), len(text), left, err)
		}
	}
}

// TestReaderOfOthers reads streams that are no pieces, or not all of them.
func TestReaderOfOthers(t *testing.T) {
	text := dump(6 * BlockSize)
	one := func(flushAt int) []byte {
		var out bytes.Buffer
		w, _ := stdflate.NewWriter(&out, 6)
		for b := text; len(b) > 0; {
			n := min(len(b), flushAt)
			_, _ = w.Write(b[:n])
			_ = w.Flush() // what follows refers to what stands before it
			b = b[n:]
		}
		_ = w.Close()
		return out.Bytes()
	}
	stored := func() []byte {
		var out bytes.Buffer
		w, _ := stdflate.NewWriter(&out, 0)
		// The bytes of a flush, in the middle of data.
		_, _ = w.Write(slices.Concat(noise(70_000), flushed, noise(300_000), flushed, noise(BlockSize/2)))
		_ = w.Flush()
		_, _ = w.Write(bytes.Repeat([]byte("x\x00\x00\xff\xff"), 400_000))
		_ = w.Close()
		return out.Bytes()
	}
	own := written(t, text)
	for name, in := range map[string][]byte{
		"one stream": one(len(text)), "flushed": one(100_000), "flushed seldom": one(BlockSize), "stored": stored(),
		"ours, then others": slices.Concat(own[:firstPiece(own)], one(50_000)), "cut": own[:len(own)/2], "cut at a border": own[:firstPiece(own)],
		"no end": own[:len(own)-1], "nothing": nil, "more behind": append(bytes.Clone(own), 1, 2, 3), "twice": slices.Concat(own, own),
	} {
		want, wantErr := io.ReadAll(stdflate.NewReader(bytes.NewReader(in)))
		out, _, err := readWide(in, 2)
		if !bytes.Equal(out, want) || (err == nil) != (wantErr == nil) || errors.Is(err, io.ErrUnexpectedEOF) != errors.Is(wantErr, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %d bytes and %v instead of %d and %v", name, len(out), err, len(want), wantErr)
		}
	}
}

func firstPiece(in []byte) int { return minPiece + bytes.Index(in[minPiece:], flushed) + len(flushed) }

// TestReaderDamage changes bits, and takes bytes out: what comes is what one core makes
// of it.
func TestReaderDamage(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 7))
	whole := written(t, dump(3*BlockSize+5))
	for range 60 {
		in := bytes.Clone(whole)
		at := rng.IntN(len(in))
		if rng.IntN(4) == 0 {
			in = append(in[:at], in[min(len(in), at+1+rng.IntN(2000)):]...)
		} else {
			in[at] ^= 1 << rng.IntN(8)
		}
		want, wantErr := io.ReadAll(flate.NewReader(bytes.NewReader(in)))
		out, _, err := readWide(in, 2)
		if !bytes.Equal(out, want) || (err == nil) != (wantErr == nil) {
			t.Errorf("changed at %d: %d bytes and %v instead of %d and %v", at, len(out), err, len(want), wantErr)
		}
	}
}

type broken struct {
	io.ReaderAt
	from int64
}

func (b broken) ReadAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) > b.from {
		return 0, errors.New("input/output error")
	}
	return b.ReaderAt.ReadAt(p, at)
}

// TestReaderOfBrokenDisk: what cannot be read is an error, and Close waits for nobody.
func TestReaderOfBrokenDisk(t *testing.T) {
	in := written(t, dump(4*BlockSize))
	at := broken{bytes.NewReader(in), int64(len(in)) * 2 / 3}
	r := NewReader(at, int64(len(in)), 2, func(offset int64, window []byte) (io.Reader, error) {
		return flate.NewReaderDict(io.NewSectionReader(at, offset, int64(len(in))-offset), window), nil
	})
	if n, err := io.Copy(io.Discard, r); err == nil || n == 0 {
		t.Errorf("%d bytes, %v", n, err)
	}
	r.Close()
	r.Close()
	r = NewReader(bytes.NewReader(in), int64(len(in)), 2, nil)
	if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	r.Close() // in the middle
}
