package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/odpm/odpm/host/interrupt"
)

// forced is how soon a second signal counts as one: timeout(1) signals the
// process and then its group.
const forced = 200 * time.Millisecond

// untilSignal gives a context that the first signal ends, and a channel that
// it closes. A run that has not ended soon after, because it is in a system
// call that nothing interrupts or in somebody's code that does not look, is
// ended here: what it leaves is what a kill leaves, and the next run puts that
// in order. A second signal does so at once.
func untilSignal(ctx context.Context) (context.Context, <-chan struct{}) {
	work := &interrupt.Work{}
	ctx, cancel := context.WithCancel(interrupt.With(ctx, work))
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	interrupted := make(chan struct{})
	go func() {
		<-signals
		first := time.Now()
		close(interrupted)
		cancel()
		go func() {
			work.Idle(func() {
				say("interrupted; cleaning up what this run began (Ctrl-C again leaves that to the next run)")
			})
			say("interrupted")
			os.Exit(exitInterrupted)
		}()
		for range signals {
			if time.Since(first) > forced {
				os.Exit(exitInterrupted)
			}
		}
	}()
	return ctx, interrupted
}

// say does not wait for whoever should read: a pipe that is full would keep
// the process for ever.
func say(message string) {
	written := make(chan struct{})
	go func() {
		fmt.Fprintln(os.Stderr, "odpm: "+message)
		close(written)
	}()
	select {
	case <-written:
	case <-time.After(forced):
	}
}
