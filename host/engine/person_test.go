package engine_test

import (
	"testing"

	"github.com/odpm/odpm/host/engine"
)

func TestPerson(t *testing.T) {
	for _, tc := range []struct {
		uid, gid int
		rootless bool
		want     string
	}{{0, 0, false, ""}, {0, 0, true, ""}, {1000, 100, false, "1000:100"}, {1000, 100, true, "0:0"}} {
		if got := engine.Person(tc.uid, tc.gid, tc.rootless); got != tc.want {
			t.Errorf("%+v: %q", tc, got)
		}
	}
}
