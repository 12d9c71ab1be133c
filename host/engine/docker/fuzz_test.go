package docker

import (
	"testing"

	"github.com/odpm/odpm/host/datadir"
)

// FuzzLook: what a shell of the image's printed is believed as far as it is a
// data directory's, and no further.
func FuzzLook(f *testing.F) {
	f.Add("own\t.\t999\t999\nversion\t.\t15\ncontrol\t.\t0102030405060708\nmade\t.\tyes\t3\nentry\tPG_VERSION\n", 15, "")
	f.Add("version\t18/docker\t18\nversion\tdata\t15\n", 18, "pgdata")
	f.Add("version\t../../etc\t15\nown\t.\tx\n", 0, "")
	f.Fuzz(func(t *testing.T, out string, major int, sub string) {
		got := parseLook(out, datadir.Facts{UID: -1, GID: -1}, major, sub)
		if got.State == datadir.Initialised && got.Major < 1 {
			t.Errorf("%+v", got)
		}
		if d := got.ClusterDir; d != "" && d != "." && d != "data" && d != sub && !majorDir.MatchString(d) {
			t.Errorf("a directory that nobody asked for: %q", d)
		}
	})
}

// FuzzUserMap: so are the lines of a container's uid_map.
func FuzzUserMap(f *testing.F) {
	f.Add("         0     100000      65536\n", 101)
	f.Add("0 1000 1\n1 100000 65536\n", 0)
	f.Add("0 0 4294967295\n", -1)
	f.Fuzz(func(t *testing.T, lines string, id int) { mapped(lines, id) })
}
