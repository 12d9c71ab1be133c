package localpg

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Majors are the PostgreSQL releases that odpm takes over; make setup brings
// servers of all of them.
var Majors = []int{12, 13, 14, 15, 16, 17, 18}

// Cache is the directory that make setup fills, by the rule of
// test/setup/lib.sh.
func Cache() string {
	if d := os.Getenv("ODPM_TEST_CACHE"); d != "" {
		return d
	}
	if os.Getuid() == 0 {
		return "/var/cache/odpm-test"
	}
	d, err := os.UserCacheDir()
	if err != nil {
		d = os.TempDir()
	}
	return filepath.Join(d, "odpm-test")
}

// Bin finds the directory of a major's server programs, "" for the newest that
// the distribution installed (the cache's newest where there is none). The
// distribution's own comes first: it has the client programs beside it.
func Bin(major string) (string, error) {
	if major != "" {
		for _, dir := range places(major) {
			if hasServer(dir) {
				return dir, nil
			}
		}
		return "", fmt.Errorf("no PostgreSQL %s on this machine; run: make setup", major)
	}
	for _, cached := range []bool{false, true} {
		for i := len(Majors) - 1; i >= 0; i-- {
			for _, dir := range places(strconv.Itoa(Majors[i])) {
				if strings.HasPrefix(dir, Cache()) == cached && hasServer(dir) {
					return dir, nil
				}
			}
		}
	}
	return "", errors.New("no PostgreSQL server on this machine; run: make setup")
}

// Client finds a client program (psql, pg_dump, pg_restore, pg_dumpall,
// pg_isready) for servers of a major: that major's own, else the next newer
// one (pg_dump refuses servers that are newer than itself), else whatever is
// on PATH.
func Client(program string, major int) (string, error) {
	for m := major; m <= Majors[len(Majors)-1]; m++ {
		for _, dir := range places(strconv.Itoa(m)) {
			if path := filepath.Join(dir, program); isProgram(path) {
				return path, nil
			}
		}
	}
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	return "", fmt.Errorf("no %s on this machine; run: make setup", program)
}

func places(major string) []string {
	return []string{
		"/usr/lib/postgresql/" + major + "/bin",
		"/usr/pgsql-" + major + "/bin",
		filepath.Join(Cache(), "pg", major, "bin"),
	}
}

func hasServer(dir string) bool { return isProgram(filepath.Join(dir, "initdb")) }

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// client finds a program for this cluster: its own, or a client of at least
// its version.
func (c *Cluster) client(program string) (string, error) {
	if path := filepath.Join(c.Bin, program); isProgram(path) {
		return path, nil
	}
	major := 0
	if data, err := os.ReadFile(filepath.Join(c.Dir, "PG_VERSION")); err == nil {
		fmt.Sscanf(string(data), "%d", &major)
	}
	return Client(program, major)
}
