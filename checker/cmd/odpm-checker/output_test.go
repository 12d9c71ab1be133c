package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestOutputLost: what nobody got is no success.
func TestOutputLost(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for _, arg := range []string{"--version", "--help"} {
		cmd := exec.Command(binary, arg)
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = full, &said
		_ = cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != 74 || !strings.Contains(said.String(), "no space left on device") {
			t.Errorf("%s: exit code %d, %s", arg, code, &said)
		}
	}
}
