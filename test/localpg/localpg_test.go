package localpg

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Every major starts, answers SQL through a client that is on this machine,
// and stops.
func TestEveryMajor(t *testing.T) {
	for _, major := range Majors {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			bin, err := Bin(strconv.Itoa(major))
			if err != nil {
				t.Fatal(err)
			}
			c, err := New("", bin) // t.TempDir is closed to the user postgres
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Remove)
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			got, err := c.SQL("postgres", "CREATE EXTENSION pg_trgm", "CREATE EXTENSION unaccent", "SHOW server_version_num")
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprint(major); !strings.HasPrefix(got, want) {
				t.Errorf("server_version_num is %s, want major %s", got, want)
			}
			if err := c.Stop(syscall.SIGINT); err != nil {
				t.Error(err)
			}
		})
	}
}
