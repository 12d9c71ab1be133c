package native

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzPostmaster: a container writes postmaster.pid, too.
func FuzzPostmaster(f *testing.F) {
	f.Add("123\n/data\n1700000000\n5432\n/tmp\n127.0.0.1\n 5432001 0\nready\n")
	f.Add("-1\n")
	f.Add("99999999999999999999\n\n\n-1\n")
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "postmaster.pid"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		pm, err := readPostmaster(dir)
		if err == nil && pm.pid < 0 {
			t.Errorf("pid %d", pm.pid)
		}
	})
}
