package behind

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/odpm/odpm/checker/connection"
)

// What is reported to a --check.
const (
	proven = "proven\n"
	failed = "failed\n"
)

// Ended is a check that has failed behind the script, which has said why.
type Ended struct{ Code int }

func (e *Ended) Error() string { return fmt.Sprintf("exit code %d", e.Code) }

// Check runs the script up to where it starts Odoo, and nothing further. limit
// is for all of it.
func (st *State) Check(ctx context.Context, path string, argv []string, limit time.Duration) error {
	defer os.RemoveAll(st.Dir)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	st.Report = 3
	if err := st.Enter(); err != nil {
		w.Close()
		return err
	}
	cmd := exec.CommandContext(ctx, path)
	cmd.Args, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = argv, os.Stdout, os.Stderr, []*os.File{w}
	// What the script has started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err = cmd.Run()
	w.Close()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	said := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(io.LimitReader(r, 1<<10))
		said <- string(text)
	}()
	var words string
	select {
	case words = <-said:
	case <-time.After(time.Second):
		// Something that the script left behind holds the descriptor.
	}
	var exit *exec.ExitError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &connection.ConfigError{Where: st.Script, What: "it has not started Odoo within " + limit.String() + ", so nothing is proven", Next: "look into it"}
	case strings.HasSuffix(words, failed) && errors.As(err, &exit):
		return &Ended{exit.ExitCode()}
	case words == "" && errors.As(err, &exit):
		return &connection.ConfigError{Where: st.Script, What: fmt.Sprintf("it ended with exit code %d before it started Odoo, so nothing is proven", exit.ExitCode()), Next: "correct the error that it printed above"}
	case words == "" && err == nil:
		return &connection.ConfigError{Where: st.Script, What: "it ended without starting Odoo by its name, so nothing is proven", Next: "give it the command that starts Odoo"}
	case err != nil && !errors.As(err, &exit):
		return err
	}
	return nil
}
