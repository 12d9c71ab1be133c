package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/odpm/odpm/test/localpg"
)

const (
	startRuns         = 20
	startWithin       = 10 * time.Second
	startMedianTarget = 10 * time.Millisecond
	startMaxTarget    = 60 * time.Millisecond
)

// waitersOfStart are started together, against one server that comes up at a
// random time. Each ends in a program of its own, programs says which: when
// the kernel opens that file, the program is exec'd.
func (b *bench) waitersOfStart(port int) (argv map[string][]string, programs map[string]string, err error) {
	programs = map[string]string{}
	for _, name := range []string{"checker", "loop", "wait4x"} {
		programs[name] = filepath.Join(b.dir, "program-of-"+name)
		data, err := os.ReadFile("/bin/true")
		if err != nil {
			return nil, nil, err
		}
		if err := os.WriteFile(programs[name], data, 0o755); err != nil {
			return nil, nil, err
		}
	}
	argv = map[string][]string{
		"checker": {b.checker, "--", programs["checker"]},
		"loop":    {"sh", "-c", shellLoop(b.pgbin, programs["loop"])},
	}
	if b.wait4x != "" {
		argv["wait4x"] = []string{b.wait4x, "postgresql", url(port), "--timeout", "60s", "--", programs["wait4x"]}
	}
	return argv, programs, nil
}

// measureStart measures from the moment at which PostgreSQL says that it
// accepts logins to the moment at which the program behind the checker runs.
func measureStart(ctx context.Context, b *bench) ([]row, error) {
	// PostgreSQL's own defaults, which a test server goes without, since it
	// starts with them as servers do; %n is milliseconds since 1970.
	c, err := b.server("fsync = on", "shared_buffers = 128MB", "log_line_prefix = '%n '")
	if err != nil {
		return nil, err
	}
	defer c.Remove()
	waiters, programs, err := b.waitersOfStart(c.Port)
	if err != nil {
		return nil, err
	}
	watch, err := newExecWatch(programs)
	if err != nil {
		return nil, err
	}
	defer watch.close()
	late := map[string][]time.Duration{}
	for i := range startRuns {
		if err := c.Stop(syscall.SIGINT); err != nil {
			return nil, err
		}
		if err := os.Truncate(c.LogFile(), 0); err != nil {
			return nil, err
		}
		delay := time.Duration(rand.Int64N(int64(startWithin)))
		got, err := oneStart(ctx, c, waiters, watch, delay)
		if err != nil {
			return nil, err
		}
		for name, d := range got {
			late[name] = append(late[name], d)
		}
		b.say("  %2d/%d  up after %5.2f s: checker %s", i+1, startRuns, delay.Seconds(), ms(got["checker"]))
	}
	mine := median(late["checker"])
	worst := maximum(late["checker"])
	rows := []row{
		{"accepts logins → program runs, median of 20", ms(mine), "≤ 10 ms", "", verdict(mine <= startMedianTarget)},
		{"accepts logins → program runs, maximum", ms(worst), "≤ 60 ms", "", verdict(worst <= startMaxTarget)},
	}
	for _, peer := range []struct{ name, what string }{{"wait4x", "  wait4x"}, {"loop", "  pg_isready every second"}} {
		if all := late[peer.name]; len(all) > 0 {
			rows = append(rows, row{peer.what + ", median / maximum", ms(median(all)) + " / " + ms(maximum(all)), "", times(median(all), mine), ""})
		}
	}
	return rows, nil
}

func maximum(all []time.Duration) time.Duration {
	var m time.Duration
	for _, d := range all {
		m = max(m, d)
	}
	return m
}

// oneStart gives for every waiter how long after the server its program was
// exec'd.
func oneStart(ctx context.Context, c *localpg.Cluster, waiters map[string][]string, watch *execWatch, delay time.Duration) (map[string]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, delay+time.Minute)
	defer cancel()
	watch.forget()
	all := map[string]*exec.Cmd{}
	for name, argv := range waiters {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Env = environment(c.Port)
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		all[name] = cmd
	}
	time.Sleep(delay)
	if err := c.Launch(); err != nil {
		return nil, err
	}
	for name, cmd := range all {
		if err := cmd.Wait(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	accepts, err := acceptedAt(c)
	if err != nil {
		return nil, err
	}
	late := map[string]time.Duration{}
	for name := range all {
		at, ok := watch.at(name)
		if !ok {
			return nil, fmt.Errorf("%s: its program was not exec'd", name)
		}
		late[name] = at.Sub(accepts)
	}
	return late, nil
}

var readyLine = regexp.MustCompile(`(?m)^(\d+)\.(\d{3}) LOG:  database system is ready to accept connections`)

// acceptedAt is when the postmaster said that it accepts logins. %n cuts the
// time to whole milliseconds; the middle of the one that it names is as often
// too early as too late.
func acceptedAt(c *localpg.Cluster) (time.Time, error) {
	log, err := os.ReadFile(c.LogFile())
	if err != nil {
		return time.Time{}, err
	}
	m := readyLine.FindSubmatch(log)
	if m == nil {
		return time.Time{}, fmt.Errorf("the server's log does not say when it was ready: %s", log)
	}
	n, err := strconv.ParseInt(string(m[1])+string(m[2]), 10, 64)
	return time.UnixMilli(n).Add(time.Millisecond / 2), err
}
