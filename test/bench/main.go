// Command bench measures the figures that odpm promises, beside what people
// use otherwise, and fails where one is missed:
//
//	go run ./test/bench                 everything
//	go run ./test/bench -run start,size some figures
//	go run ./test/bench -list           their names
//	go run ./test/bench -realtime       on a machine that others use meanwhile (root)
//
// Exit codes: 0 every target reached, 1 one missed, 2 it could not measure.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// figure is one thing to measure.
type figure struct {
	name, what string
	measure    func(context.Context, *bench) ([]row, error)
}

// figures in the order of the table.
func figures() []figure {
	return []figure{
		{"size", "size of the checker", measureSize},
		{"memory", "peak memory of the checker", measureMemory},
		{"ready", "whole check of a server that is ready", measureReady},
		{"plan", "odpm plan --plan-no-docker on the example project", measurePlan},
		{"stack", "odpm on Docker beside docker compose up -d", measureStack},
		{"idle", "processor time while waiting 30 s", measureIdle},
		{"crowd", "200 checkers at once, max_connections=100, up after 3 s", measureCrowd},
		{"failover", "from a promotion to the program, beside psql every second; 200 checkers through one", measureFailover},
		{"start", "from accepting logins to the program, 20 starts within 10 s", measureStart},
	}
}

func main() { os.Exit(run()) }

func run() int {
	only := flag.String("run", "", "names of figures, separated by commas; all without it")
	list := flag.Bool("list", false, "print the names and end")
	first := flag.Bool("realtime", false, "run before everything else on this machine; needs root")
	flag.Parse()
	if *first {
		if err := beforeEverythingElse(); err != nil {
			fmt.Fprintln(os.Stderr, "bench: -realtime:", err)
			return 2
		}
	}
	all := figures()
	if *list {
		for _, f := range all {
			fmt.Printf("%-8s %s\n", f.name, f.what)
		}
		return 0
	}
	wanted := strings.FieldsFunc(*only, func(r rune) bool { return r == ',' })
	for _, name := range wanted {
		if !slices.ContainsFunc(all, func(f figure) bool { return f.name == name }) {
			fmt.Fprintf(os.Stderr, "bench: no figure %q; see: go run ./test/bench -list\n", name)
			return 2
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b, err := newBench(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 2
	}
	defer b.close()

	var rows []row
	broken := false
	for _, f := range all {
		if len(wanted) > 0 && !slices.Contains(wanted, f.name) {
			continue
		}
		b.say("%s: %s …", f.name, f.what)
		got, err := f.measure(ctx, b)
		rows = append(rows, got...)
		if err != nil {
			broken = true
			rows = append(rows, row{what: f.what, value: "not measured: " + err.Error(), verdict: "ERROR"})
		}
		if ctx.Err() != nil {
			break
		}
	}
	printTable(os.Stdout, rows)
	b.noteLoad()
	for _, n := range b.notes {
		fmt.Println("note:", n)
	}
	switch {
	case broken || ctx.Err() != nil:
		return 2
	case slices.ContainsFunc(rows, func(r row) bool { return r.verdict == fail }):
		return 1
	}
	return 0
}

// beforeEverythingElse gives this process and all that it starts a real-time
// priority, so that other work on the machine is not measured too. The
// priority is a thread's, so the program starts anew with it.
func beforeEverythingElse() error {
	now, err := unix.SchedGetAttr(0, 0)
	if err != nil || now.Policy == unix.SCHED_RR {
		return err
	}
	runtime.LockOSThread()
	if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1}, 0); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(self, os.Args, os.Environ())
}
