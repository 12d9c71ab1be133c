package homedir

import (
	"os/user"
	"testing"
)

func TestDir(t *testing.T) {
	t.Setenv("HOME", "/somewhere")
	if got := Dir(); got != "/somewhere" {
		t.Error(got)
	}
	t.Setenv("HOME", "")
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if got := Dir(); got != u.HomeDir {
		t.Errorf("%q, not %q", got, u.HomeDir)
	}
}
