package main_test

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts: one behaviour of the command line each. "status N program …"
// runs a program and wants that exit code.
func TestScripts(t *testing.T) {
	c := server(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", binDir+":/usr/bin:/bin")
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("DB_PORT", strconv.Itoa(c.Port))
			e.Setenv("DB_PASSWORD", appPassword)
			e.Setenv("PGHOST", "127.0.0.1")
			e.Setenv("PGPORT", strconv.Itoa(c.Port))
			e.Setenv("PGUSER", appRole)
			e.Setenv("PGPASSWORD", appPassword)
			return nil
		},
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) < 2 {
					ts.Fatalf("usage: status N program args…")
				}
				err := ts.Exec(args[1], args[2:]...)
				got := 0
				var exit *exec.ExitError
				if errors.As(err, &exit) {
					got = exit.ExitCode()
				} else if err != nil {
					ts.Fatalf("%v", err)
				}
				if strconv.Itoa(got) != args[0] {
					ts.Fatalf("exit code %d, want %s", got, args[0])
				}
			},
			"mode": func(ts *testscript.TestScript, neg bool, args []string) {
				m, err := strconv.ParseUint(args[0], 8, 32)
				ts.Check(err)
				for _, f := range args[1:] {
					ts.Check(os.Chmod(ts.MkAbs(f), os.FileMode(m)))
				}
			},
		},
	})
}
