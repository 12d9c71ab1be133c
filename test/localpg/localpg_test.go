package localpg

import (
	"fmt"
	"os"
	"os/exec"
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
			for program, wants := range map[string]string{"pg_dump": "EXTENSION IF NOT EXISTS pg_trgm", "pg_dumpall": "CREATE ROLE postgres"} {
				if out, err := c.dump(program); err != nil || !strings.Contains(out, wants) {
					t.Errorf("%s of %d: %v, %q lacks %q", program, major, err, out, wants)
				}
			}
			if err := c.Stop(syscall.SIGINT); err != nil {
				t.Error(err)
			}
		})
	}
}

func (c *Cluster) dump(program string) (string, error) {
	path, err := c.client(program)
	if err != nil {
		return "", err
	}
	cmd := exec.Command(path, "-h", "127.0.0.1", "-p", strconv.Itoa(c.Port), "-U", "postgres")
	cmd.Env = append(os.Environ(), "PGPASSWORD="+c.Password, "PGDATABASE=postgres")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// A port that a kernel gives to whoever asks for any was taken by another test's
// client before the server that it was meant for had started.
func TestFreePort(t *testing.T) {
	given := map[int]bool{}
	for range 100 {
		port, err := FreePort()
		if err != nil {
			t.Fatal(err)
		}
		if given[port] || port >= 32768 {
			t.Fatalf("%d was given", port)
		}
		given[port] = true
	}
}
