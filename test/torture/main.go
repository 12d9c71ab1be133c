// Command torture breaks things around odpm, and says for each promise how many
// faults were injected or inputs tried and how many broke it:
//
//	go run ./test/torture               everything; an hour or two
//	go run ./test/torture -short        a little of everything, in minutes
//	go run ./test/torture -run drop,bad some promises
//	go run ./test/torture -list         their names
//
// docs/explanation/reliability.md explains each line. Exit codes: 0 no promise was broken,
// 1 one was, 2 it could not be tried.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// promise is a line of the table.
type promise struct {
	name, what string
	try        func(*tries) error
}

// promises in the order of the table.
func promises() []promise {
	all := []promise{
		{"first", "kill -9 of a first start, then odpm", killedFirst},
		{"run", "kill -9 of a plain run, then odpm", killed("run", 100, syscall.SIGKILL)},
		{"backup", "kill -9 of a backup, then odpm", killed("backup", 150, syscall.SIGKILL)},
		{"drop", "kill -9 of a drop, then odpm", killed("drop", 150, syscall.SIGKILL)},
		{"restore", "kill -9 of a restore, then odpm", killed("restore", 200, syscall.SIGKILL)},
		{"password", "kill -9 of --set-admin-pass, then odpm", killed("password", 100, syscall.SIGKILL)},
		{"signal", "SIGINT or SIGTERM during a restore, then odpm", killed("restore", 150, syscall.SIGINT, syscall.SIGTERM)},
		{"power-first", "power loss during a first start, then odpm", powerFirst},
		{"power", "power loss during every command that writes, or after it, then odpm", power},
		{"eio", "a disk that ends during every command that writes, then odpm", vanished},
		{"full-disk", "no space for anything, PostgreSQL's own data too, then space and odpm", fullDisk},
		{"step-kill", "kill -9 at a system call of every command that writes, then odpm", stepped(slices.Concat(writing, others), everyWork, oneOf("signal=KILL"), 100)},
		{"step-signal", "SIGINT or SIGTERM at a system call of every command that writes, then odpm", stepped(slices.Concat(writing, others), everyWork, oneOf("signal=INT", "signal=TERM", "signal=HUP"), 60)},
		{"step-error", "a system call of every command that writes fails, then odpm", stepped(slices.Concat(writing, reading, others), everyWork, oneOf("error=EIO", "error=ENOSPC", "error=EROFS", "error=EACCES", "error=EMFILE", "error=EINTR"), 100)},
		{"full-state", "no space below .odpm, then space and odpm", fullState},
		{"full-backup", "no space in BACKUP_DIR", fullBackup},
		{"full-files", "no space for the file store, a restore", fullFiles},
		{"read-only", "a file system below .odpm that is read-only, then odpm", readOnly},
		{"net-checker", "what a checker meets on the network: a program starts behind a login alone", checkerNetwork},
		{"net-odpm", "what odpm meets on the network: it ends in order, and records no login that was none", hostNetwork},
		{"checker", "kill -9 of a checker that records, then odpm", killedChecker},
		{"two", "two commands at once, then odpm", twoAtOnce},
		{"hostile", "what a container may write is something else, and changes all the time", hostile},
		{"engine", "a Docker engine that is stopped, silent, slow, lies, or may not be asked", badEngine},
		{"bad", "files below .odpm emptied, cut or overwritten", badFiles},
		{"saves", "host and checker save the baseline at once", saves},
	}
	for _, f := range fuzzers {
		all = append(all, f.promise())
	}
	return all
}

// tries is what one promise is tried with.
type tries struct {
	ctx   context.Context
	rng   *rand.Rand
	short bool
	bin   string
	n     int
	// skipped were not reached by what was to happen to them.
	skipped int
	broke   []string
	// left is a place that the next promise may use.
	left *place
}

// tried counts one fault or input; broken, if any, is how it broke the promise.
// What the end of the whole program cuts short is no try.
func (t *tries) tried(broken error) {
	if t.ctx.Err() != nil {
		return
	}
	t.n++
	if broken != nil {
		t.broke = append(t.broke, broken.Error())
	}
}

// took is a remark on the line.
func (t *tries) took(begin time.Time) string {
	words := time.Since(begin).Round(time.Second).String()
	if t.skipped > 0 {
		words += fmt.Sprintf("; %d ended before it", t.skipped)
	}
	return " (" + words + ")"
}

// times is how often something is tried.
func (t *tries) times(short, full int) int {
	if t.short {
		return short
	}
	return max(short, int(float64(full)**partFlag))
}

var archiveFlag = flag.String("archive", "", "what the databases are restored from, instead of a small one of Odoo's shape")

var partFlag = flag.Float64("part", 1, "how much of everything, 0.1 for a tenth")

func main() { os.Exit(run()) }

func run() int {
	only := flag.String("run", "", "names of promises, separated by commas; all without it")
	list := flag.Bool("list", false, "print the names and end")
	short := flag.Bool("short", false, "a little of everything, within five minutes on two cores that nobody else uses")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the random moments")
	flag.Parse()
	all := promises()
	if *list {
		for _, p := range all {
			fmt.Printf("%-12s %s\n", p.name, p.what)
		}
		return 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	bin, err := build()
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		return 2
	}
	defer os.RemoveAll(bin)
	fmt.Printf("seed %d\n%-12s %8s %6s  %s\n", *seed, "promise", "tried", "broke", "what")
	code, sum := 0, 0
	var left *place
	defer func() {
		if left != nil {
			left.remove()
		}
	}()
	for _, p := range all {
		if *only != "" && !slices.Contains(strings.Split(*only, ","), p.name) {
			continue
		}
		t := &tries{ctx: ctx, rng: rand.New(rand.NewPCG(*seed, 1)), short: *short, bin: bin, left: left}
		begin := time.Now()
		err := p.try(t)
		left = t.left
		if ctx.Err() != nil {
			err = errors.New("it was interrupted")
		}
		fmt.Printf("%-12s %8d %6d  %s%s\n", p.name, t.n, len(t.broke), p.what, t.took(begin))
		sum += t.n
		if err != nil {
			fmt.Fprintf(os.Stderr, "torture: %s could not be tried to its end: %v\n", p.name, err)
			code = max(code, 2)
		}
		for _, b := range t.broke {
			fmt.Printf("    %s\n", strings.ReplaceAll(strings.TrimSpace(b), "\n", "\n    "))
		}
		if len(t.broke) > 0 {
			code = 1
		}
		if ctx.Err() != nil {
			break
		}
	}
	fmt.Printf("%-12s %8d\n", "in all", sum)
	return code
}
