package native_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/odpm/odpm/host/engine/enginetest"
	"github.com/odpm/odpm/host/engine/native"
)

func TestConformance(t *testing.T) {
	enginetest.Run(t, func(t *testing.T) enginetest.Subject {
		e, o := newEngine(t)
		t.Cleanup(func() { e.Stop(context.Background()) })
		return enginetest.Subject{
			PG: e, Major: 15, Password: "boot-secret", Dir: "/",
			Kill: func(t *testing.T) {
				for _, pid := range native.ServersOn(o.DataDir) {
					syscall.Kill(pid, syscall.SIGKILL)
				}
			},
			// Client programs whose parent is this test.
			Leftovers: func(t *testing.T) int {
				n := 0
				entries, _ := filepath.Glob("/proc/[0-9]*/stat")
				for _, path := range entries {
					data, _ := os.ReadFile(path)
					name, rest, _ := strings.Cut(string(data), ") ")
					f := strings.Fields(rest)
					if len(f) > 1 && f[1] == strconv.Itoa(os.Getpid()) && f[0] != "Z" && (strings.Contains(name, "(psql") || strings.Contains(name, "(pg_")) {
						n++
					}
				}
				return n
			},
		}
	})
}
