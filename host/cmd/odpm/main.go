// Command odpm keeps the PostgreSQL side of an Odoo-on-Docker-Compose project
// honest.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/odpm/odpm/host/cli"
	"github.com/odpm/odpm/host/ui"
)

// Exit codes; docs/exit-codes.md is the contract. This is the only place that
// knows them.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitRefused     = 3
	exitInterrupted = 130
)

func main() { os.Exit(run()) }

func run() int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	interrupted := make(chan struct{})
	go func() {
		<-signals
		first := time.Now()
		close(interrupted)
		cancel()
		// The first asks for an orderly end; a second one forces it. One that
		// follows at once is the same: timeout(1) signals the process and then
		// its group.
		for range signals {
			if time.Since(first) > 200*time.Millisecond {
				os.Exit(exitInterrupted)
			}
		}
	}()
	app := cli.New(os.Stdin, os.Stdout, os.Stderr, os.Args[1:], os.Environ(), interrupted)
	err := app.Run(ctx)
	if err == nil {
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
