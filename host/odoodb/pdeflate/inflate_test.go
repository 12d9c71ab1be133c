package pdeflate

import (
	"bytes"
	stdflate "compress/flate"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"
)

// inflateAll is a stream that is one piece.
func inflateAll(in []byte, room int) (out []byte, used int, final bool, err error) {
	dst := make([]byte, room+probeSize)
	n, used, final, err := newInflater().piece(dst, bytes.Clone(in), len(in))
	return dst[:n], used, final, err
}

// texts are inputs of every kind that a compressor treats in its own way.
func texts() map[string][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 200_000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	skewed := make([]byte, 300_000) // codes of all lengths
	for i := range skewed {
		for skewed[i] < 250 && rng.IntN(3) > 0 {
			skewed[i]++
		}
	}
	var rows strings.Builder
	for i := range 20_000 {
		rows.WriteString(strings.Repeat("odoo\t", i%7) + string(rune('a'+rng.IntN(26))) + "\n")
	}
	return map[string][]byte{
		"empty": nil, "one": {7}, "noise": noise, "skewed": skewed, "rows": []byte(rows.String()),
		"zeros": make([]byte, 500_000), "pairs": bytes.Repeat([]byte("ab"), 100_000), "words": bytes.Repeat([]byte("abcdefghi"), 50_000),
	}
}

func TestInflate(t *testing.T) {
	for name, text := range texts() {
		for level := -2; level <= 9; level++ {
			for _, std := range []bool{true, false} {
				var packed bytes.Buffer
				var w io.WriteCloser
				if std {
					w, _ = stdflate.NewWriter(&packed, level)
				} else {
					w, _ = flate.NewWriter(&packed, level)
				}
				if _, err := w.Write(text); err != nil {
					t.Fatal(err)
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				out, used, final, err := inflateAll(packed.Bytes(), len(text))
				if err != nil || !final || used != packed.Len() || !bytes.Equal(out, text) {
					t.Errorf("%s, level %d, std %v: %d of %d bytes, %d of %d used, final %v, %v", name, level, std, len(out), len(text), used, packed.Len(), final, err)
				}
				if n := len(text); n > 0 {
					if _, _, _, err := inflateAll(packed.Bytes(), n-1); err == nil {
						t.Errorf("%s, level %d: more than there is room for", name, level)
					}
				}
				for _, cut := range []int{0, packed.Len() / 3, packed.Len() - 1} {
					if out, _, final, err := inflateAll(packed.Bytes()[:cut], len(text)); final || err == nil && !bytes.HasPrefix(text, out) {
						t.Errorf("%s, level %d: cut at %d, final %v, %v", name, level, cut, final, err)
					}
				}
			}
		}
	}
}

// TestInflateWithin: a piece that ends within a stored block is none, also where what is
// put behind it looks like the rest of that block, and then like blocks.
func TestInflateWithin(t *testing.T) {
	data := []byte("data of a stored block\x00\x00\xff\xff")
	for _, tt := range []struct {
		rest  int // of the block, behind the piece
		probe []byte
	}{
		{len(probeHeader) + probeSize, []byte("a probe.")},
		{len(probeHeader), []byte{0, 3, 0, ^byte(3), 0xff, 'x', 'y', 'z'}},
	} {
		size := uint16(len(data) + tt.rest)
		in := slices.Concat([]byte{0, byte(size), byte(size >> 8), ^byte(size), ^byte(size >> 8)}, data)
		n, _, _, err := withProbe(tt.probe).piece(make([]byte, 200), in, len(in))
		if !errors.Is(err, errShort) {
			t.Errorf("%d bytes of the block are missing: %d bytes came, %v", tt.rest, n, err)
		}
	}
}

// FuzzInflate compares with the standard library: what this inflater takes, that one takes
// as well, and gives the same.
func FuzzInflate(f *testing.F) {
	for _, text := range texts() {
		for _, level := range []int{-2, 0, 1, 6} {
			var packed bytes.Buffer
			w, _ := stdflate.NewWriter(&packed, level)
			_, _ = w.Write(text[:min(len(text), 3000)])
			_ = w.Flush()
			f.Add(packed.Bytes())
			_ = w.Close()
			f.Add(packed.Bytes())
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		const room = 1 << 16
		out, used, final, err := inflateAll(in, room)
		r := bytes.NewReader(in)
		want, wantErr := io.ReadAll(io.LimitReader(stdflate.NewReader(r), room+1000))
		switch {
		case err == nil && final && (wantErr != nil || used != len(in)-r.Len() || !bytes.Equal(out, want)):
			t.Errorf("%d bytes, %d used; the standard library: %d, %d, %v", len(out), used, len(want), len(in)-r.Len(), wantErr)
		case err == nil && !final && (wantErr != io.ErrUnexpectedEOF || r.Len() > 0 || !bytes.HasPrefix(out, want)): //nolint:errorlint // it is that one
			t.Errorf("%d bytes up to a border; the standard library: %d, %v", len(out), len(want), wantErr)
		case err != nil && wantErr == nil && len(want) <= room:
			t.Errorf("%v; the standard library takes it", err)
		}
	})
}
