package seen

import (
	"os"
	"path/filepath"
	"testing"
)

// TestDir: the file is never made below a directory of another user, whose it would be
// in the way of.
func TestDir(t *testing.T) {
	own, other := t.TempDir(), "/"
	if os.Geteuid() == 0 {
		other = t.TempDir()
		if err := os.Chown(other, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct{ home, cache, want string }{
		"home":                    {own, "", filepath.Join(own, ".cache/odpm")},
		"another user's home":     {other, "", ""},
		"no home":                 {"relative", "", ""},
		"a cache to be made":      {other, filepath.Join(own, "a/b"), filepath.Join(own, "a/b/odpm")},
		"another user's cache":    {own, other, ""},
		"to be made in that":      {own, filepath.Join(other, "a/b"), ""},
		"not an absolute path":    {own, "cache", filepath.Join(own, ".cache/odpm")},
		"below what is no folder": {own, "/dev/null/cache", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("HOME", tt.home)
			t.Setenv("XDG_CACHE_HOME", tt.cache)
			if got := Dir(); got != tt.want {
				t.Errorf("%q, not %q", got, tt.want)
			}
		})
	}
}
