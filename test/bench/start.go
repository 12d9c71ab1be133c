package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
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
// random time.
func (b *bench) waitersOfStart(port int) map[string][]string {
	w := map[string][]string{
		"checker": {b.checker, "--", b.helper, "now"},
		"loop":    {"sh", "-c", shellLoop(b.pgbin, b.helper+" now")},
	}
	if b.wait4x != "" {
		w["wait4x"] = []string{b.wait4x, "postgresql", url(port), "--timeout", "60s", "--", b.helper, "now"}
	}
	return w
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
	late := map[string][]time.Duration{}
	for i := range startRuns {
		if err := c.Stop(syscall.SIGINT); err != nil {
			return nil, err
		}
		if err := os.Truncate(c.LogFile(), 0); err != nil {
			return nil, err
		}
		delay := time.Duration(rand.Int64N(int64(startWithin)))
		got, err := b.oneStart(ctx, c, delay)
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

// oneStart gives for every waiter how long after the server it ran its
// program.
func (b *bench) oneStart(ctx context.Context, c *localpg.Cluster, delay time.Duration) (map[string]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, delay+time.Minute)
	defer cancel()
	type running struct {
		cmd *exec.Cmd
		out *strings.Builder
	}
	all := map[string]running{}
	for name, argv := range b.waitersOfStart(c.Port) {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Env = environment(c.Port)
		out := &strings.Builder{}
		cmd.Stdout = out
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		all[name] = running{cmd, out}
	}
	time.Sleep(delay)
	if err := c.Launch(); err != nil {
		return nil, err
	}
	late := map[string]time.Duration{}
	var ran = map[string]time.Time{}
	for name, r := range all {
		if err := r.cmd.Wait(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		lines := strings.Fields(r.out.String())
		if len(lines) == 0 {
			return nil, fmt.Errorf("%s: the program said nothing", name)
		}
		n, err := strconv.ParseInt(lines[len(lines)-1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		ran[name] = time.Unix(0, n)
	}
	accepts, err := acceptedAt(c)
	if err != nil {
		return nil, err
	}
	for name, at := range ran {
		late[name] = at.Sub(accepts)
	}
	return late, nil
}

var readyLine = regexp.MustCompile(`(?m)^(\d+)\.(\d{3}) LOG:  database system is ready to accept connections`)

// acceptedAt is when the postmaster said that it accepts logins.
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
	return time.UnixMilli(n), err
}
