package archive

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

// FuzzOpen: an archive may be anybody's. Whatever it is, its readers end, with
// an error or without.
func FuzzOpen(f *testing.F) {
	f.Add([]byte("PK\x05\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("PGDMP\x01\x0f\x00\x04\x08\x01\x01\x01\x00\x00\x00"))
	f.Add([]byte("-- PostgreSQL database dump\n"))
	for _, name := range []string{"../testdata/o18.dump", "../testdata/o18.zip"} {
		if data, err := os.ReadFile(name); err == nil && len(data) < 1<<20 {
			f.Add(data)
		}
	}
	pieces, _ := inPieces(f, 40_000) // enough for several processors
	f.Add(pieces)
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "a.zip")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := Open(path)
		if err != nil {
			return
		}
		defer a.Close()
		if a.Format == Dump {
			if r, err := a.SQL(); err == nil {
				_, _ = io.Copy(io.Discard, r)
				r.Close()
			}
			return
		}
		if sql, err := a.SQL(); err == nil {
			_, _ = io.Copy(io.Discard, io.LimitReader(sql, 16<<20))
			sql.Close()
		}
		_ = a.ReadFiles(t.Context(), 1, func(_ File, r io.Reader) error {
			_, err := io.Copy(io.Discard, io.LimitReader(r, 16<<20))
			return err
		})
	})
}
