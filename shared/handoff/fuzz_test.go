package handoff_test

import (
	"bytes"
	"testing"

	"github.com/odpm/odpm/shared/handoff"
)

// FuzzDecode: the checker reads what lies in a mounted directory.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"handoff_version": 1, "id": "0123", "candidate": {"schema_version": 1}}`))
	f.Add([]byte("{\"id\": \"\\u001b[2J\"}"))
	f.Fuzz(func(t *testing.T, in []byte) {
		h, err := handoff.Decode(in)
		if err != nil {
			return
		}
		out, err := h.Encode()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, err := handoff.Decode(out)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, out)
		}
		if twice, err := again.Encode(); err != nil || !bytes.Equal(out, twice) {
			t.Fatalf("it changes on the way: %v\n%s\n%s", err, out, twice)
		}
	})
}
