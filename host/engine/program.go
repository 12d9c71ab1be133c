package engine

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/odpm/odpm/host/wording"
)

// RunProgram runs a client program of this machine; prepare sets where and as
// whom. It streams, keeps the last of stderr for the error, and a program whose
// run was cancelled, or whose input failed, is killed before its input ends.
func RunProgram(ctx context.Context, path string, c Command, prepare func(*exec.Cmd)) error {
	ctx, in := NewInput(ctx, c.Stdin)
	defer in.Release()
	cmd := exec.CommandContext(ctx, path, c.Argv[1:]...)
	cmd.Cancel = func() error {
		defer in.Release()
		return cmd.Process.Kill()
	}
	prepare(cmd)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in.Reader(), c.Stdout, c.Stderr
	tail := &wording.Tail{Max: 64 << 10}
	if c.Stderr == nil {
		cmd.Stderr = tail
	}
	// Whoever reads or writes for the caller may hang; nobody waits for that
	// once the program has ended.
	cmd.WaitDelay = time.Minute
	err := cmd.Run()
	if err != nil && in.Err() != nil {
		return fmt.Errorf("%s: %w", c.Argv[0], in.Err())
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &ExitError{Program: c.Argv[0], Code: exit.ExitCode(), Stderr: wording.LastLines(tail.String(), 10)}
	}
	return err
}
