package restore

import (
	"strings"
	"testing"
)

// TestReadDF: what df says in a container.
func TestReadDF(t *testing.T) {
	var got []disks
	readDF(strings.NewReader(`Filesystem     1024-blocks     Used Available Capacity Mounted on
/dev/vda1        100 60  40      60% /var/lib/postgresql/data
tmpfs            9 0  7      60% /a b

Filesystem     1024-blocks     Used Available Capacity Mounted on
/dev/vda1        100 60  39      60% /var/lib/postgresql/data
`+"\n"), func(d disks) { got = append(got, d) })
	if len(got) != 2 || got[0]["/var/lib/postgresql/data"] != 40<<10 || got[0]["/a b"] != 7<<10 {
		t.Fatal(got)
	}
	if place, free := got[0].least(); place != "/a b" || free != 7<<10 {
		t.Error(place, free)
	}
}
