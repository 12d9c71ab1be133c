// Command odpm runs Odoo on a PostgreSQL login that is proven, and shows drift before anything is
// written or started.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/odpm/odpm/host/cli"
	"github.com/odpm/odpm/host/ui"
)

// Exit codes; docs/reference/exit-codes.md is the contract. This is the only place that
// knows them.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitRefused     = 3
	exitInterrupted = 130
	exitPipe        = 141
)

// memory is what the garbage collector tries to stay below. odpm needs a
// fraction of it; archives that come from anybody must not make it much more.
const memory = 96 << 20

func main() { os.Exit(run()) }

func run() int {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memory)
	}
	// A broken pipe is a write error like others, on stderr too: the runtime
	// would end the process in the middle of its work. It is caught and not
	// ignored, since programs that are started would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, interrupted := untilSignal(context.Background())
	app := cli.New(os.Stdin, os.Stdout, os.Stderr, os.Args[1:], os.Environ(), interrupted)
	code := outcome(app, app.Run(ctx), interrupted)
	err := app.Close()
	switch {
	case err == nil || code == exitInterrupted:
		return code
	case errors.Is(err, syscall.EPIPE):
		if code == 0 {
			return exitPipe
		}
		return code
	}
	app.Say(err)
	return exitFailed
}

// outcome shows an error and gives its code. One of writing the result is what
// closing the output gives again.
func outcome(app *cli.App, err error, interrupted <-chan struct{}) int {
	var lost *ui.OutputError
	if err == nil || errors.As(err, &lost) {
		return 0
	}
	select {
	case <-interrupted:
		app.Fail(errors.New("interrupted"), "interrupted")
		return exitInterrupted
	default:
	}
	var done cli.Outcome
	switch {
	case errors.As(err, &done):
		// Shown already; only the code is left to give.
		return int(done)
	case ui.IsUsage(err):
		app.Fail(err, "usage")
		if app.DetailedExitCode() {
			return exitFailed
		}
		return exitUsage
	case ui.IsRefusal(err):
		app.Fail(err, "refused")
		return exitRefused
	}
	app.Fail(err, "failed")
	return exitFailed
}
