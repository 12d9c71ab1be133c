package sqldump

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
)

// repeated is a text whose middle repeats for 24 MiB, made as it is read.
type repeated struct {
	before, block, after string
	left                 int
	rest                 string
}

func newRepeated(before, middle, after string) *repeated {
	block := strings.Repeat(middle, 1<<16/len(middle))
	return &repeated{before, block, after, 24 << 20 / len(block), before}
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.rest == "" {
		switch r.left--; {
		case r.left > 0:
			r.rest = r.block
		case r.left == 0:
			r.rest = r.after
		}
		if r.rest == "" {
			return 0, io.EOF
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// TestMemory: what a dump can make us hold does not depend on the dump. All that
// was ever asked for is counted, also what was given back at once.
func TestMemory(t *testing.T) {
	for name, tc := range map[string]struct {
		dump  *repeated
		limit uint64 // MiB
		why   string
	}{
		"comment":         {newRepeated("-- ", "c", "\n"), 1, ""},
		"restrict":        {newRepeated(`\restrict `, "r", "\n"), 1, ""},
		"blank":           {newRepeated("", " \n", "\n"), 1, ""},
		"a row":           {newRepeated("COPY t (a) FROM stdin;\n", "r", "\n\\.\n"), 1, ""},
		"rows":            {newRepeated("COPY t (a) FROM stdin;\n", "r\n", "\\.\n"), 1, ""},
		"a command":       {newRepeated(`\! `, "r", "\n"), 1, "psql command"},
		"a tag":           {newRepeated("SELECT $", "t", "$;\n"), 1, "dollar quote"},
		"a string":        {newRepeated("SELECT '", "x", "';\n"), 100, "16 MiB"},
		"dollars":         {newRepeated("SELECT $$", "z$ ", "$$;\n"), 100, "16 MiB"},
		"nested comments": {newRepeated("/*", "/* ", "*/\n"), 100, "16 MiB"},
		"after COPY":      {newRepeated("COPY t (a) FROM stdin; ", "x", "\n"), 1, "text after COPY"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := drain(New(tc.dump))
		runtime.ReadMemStats(&after)
		if got := (after.TotalAlloc - before.TotalAlloc) >> 20; got > tc.limit {
			t.Errorf("%s: %d MiB were allocated, the limit is %d", name, got, tc.limit)
		}
		if tc.why == "" && err != nil || tc.why != "" && (!IsRefused(err) || !strings.Contains(err.Error(), tc.why)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Just below the limit of a statement, and taken apart by those who judge it.
	for name, stmt := range map[string]string{
		"roles":   "GRANT SELECT ON t TO a" + strings.Repeat(", a", 5<<20) + ";",
		"columns": "COPY t (a" + strings.Repeat(", a", 5<<20) + ") FROM stdin;\n\\.\n",
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := drain(New(strings.NewReader(stmt)))
		runtime.ReadMemStats(&after)
		if got := (after.TotalAlloc - before.TotalAlloc) >> 20; got > 150 || !IsRefused(err) {
			t.Errorf("%s: %d MiB, %v", name, got, err)
		}
	}
}

func drain(s *Scanner) error {
	for {
		it, err := s.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && it.Kind == Copy {
			err = s.CopyData(io.Discard)
		}
		if err != nil {
			return err
		}
	}
}
