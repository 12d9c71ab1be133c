package datadir_test

import (
	"testing"

	"github.com/odpm/odpm/host/datadir"
)

// FuzzVersion: a container writes PG_VERSION and pg_control.
func FuzzVersion(f *testing.F) {
	f.Add("15\n", []byte("12345678"))
	f.Add("9.6\n", []byte{})
	f.Add("\x1b[2J", []byte{0, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, version string, control []byte) {
		if n, err := datadir.ParseVersion(version); err == nil && (n < 1 || n > 999) {
			t.Errorf("%q is major %d", version, n)
		}
		for _, r := range datadir.ParseIdentity(control) {
			if r < '0' || r > '9' {
				t.Errorf("%q is no number", datadir.ParseIdentity(control))
			}
		}
	})
}
