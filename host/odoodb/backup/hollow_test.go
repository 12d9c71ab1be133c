package backup

import (
	"archive/zip"
	"bytes"
	"io"
	"testing"

	"github.com/klauspost/compress/flate"
)

// TestHollow: a file with nothing in it is no bomb in the archive; text is
// compressed.
func TestHollow(t *testing.T) {
	enc, err := flate.NewWriter(io.Discard, fileLevel)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.OpenReader("../testdata/o18.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	dump, err := z.Open("dump.sql")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(dump)
	if err != nil {
		t.Fatal(err)
	}
	tail := append(make([]byte, 8<<20), text...)
	for name, tc := range map[string]struct {
		content []byte
		want    bool
	}{"zeros": {make([]byte, 3<<20), true}, "text": {text, false}, "zeros and text": {tail, false}} {
		if got := hollow(bytes.NewReader(tc.content), int64(len(tc.content)), enc, &packBuffer{}); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
