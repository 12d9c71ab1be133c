package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/odpm/odpm/test/localpg"
)

const (
	failoverRuns         = 9
	failoverWithin       = 4 * time.Second
	failoverMedianTarget = 300 * time.Millisecond
	failoverLoginTarget  = 4.0

	failoverCrowd       = 200
	failoverCrowdLength = 20 * time.Second
	failoverCrowdTarget = 10.0
)

// pair reaches two servers as libpq's list, for the one that takes writes.
func pair(a, b *localpg.Cluster) []string {
	return append(environment(0), "PGHOST=127.0.0.1,127.0.0.1", fmt.Sprintf("PGPORT=%d,%d", a.Port, b.Port), "PGTARGETSESSIONATTRS=read-write", "PGCONNECT_TIMEOUT=2")
}

// loginsOf counts the checker's in a server's log.
func loginsOf(c *localpg.Cluster) (int, error) {
	log, err := os.ReadFile(c.LogFile())
	return bytes.Count(log, []byte("connection authorized: user="+role+" database=postgres application_name=odpm-checker")), err
}

// measureFailover measures from the end of a promotion to the program behind
// the checker, beside the loop that people write; then a crowd of checkers
// that all wait through one failover.
func measureFailover(ctx context.Context, b *bench) ([]row, error) {
	conf := []string{"log_line_prefix = '%n '", "log_connections = on", "max_connections = 300"}
	primary, err := b.server(conf...)
	if err != nil {
		return nil, err
	}
	servers := []*localpg.Cluster{primary}
	defer func() {
		for _, c := range servers {
			c.Remove()
		}
	}()
	programs := map[string]string{}
	for _, name := range []string{"checker", "loop"} {
		programs[name] = filepath.Join(b.dir, "failover-of-"+name)
		data, err := os.ReadFile("/bin/true")
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(programs[name], data, 0o755); err != nil {
			return nil, err
		}
	}
	watch, err := newExecWatch(programs)
	if err != nil {
		return nil, err
	}
	defer watch.close()
	psql, err := localpg.Client("psql", 0)
	if err != nil {
		return nil, err
	}
	waiters := map[string][]string{
		"checker": {b.checker, "--log-level", "warn", "--", programs["checker"]},
		"loop":    {"sh", "-c", "until '" + psql + "' -Xqc 'SELECT 1' >/dev/null 2>&1; do sleep 1; done; exec '" + programs["loop"] + "'"},
	}
	late := map[string][]time.Duration{}
	var rates []float64
	for i := range failoverRuns {
		standby, err := primary.Standby()
		if err != nil {
			return nil, err
		}
		servers = append(servers, standby)
		got, rate, err := oneFailover(ctx, primary, standby, waiters, watch)
		if err != nil {
			return nil, err
		}
		for name, d := range got {
			late[name] = append(late[name], d)
		}
		rates = append(rates, rate)
		b.say("  %d/%d  checker %s, %.1f logins a second", i+1, failoverRuns, ms(got["checker"]), rate)
		primary = standby
	}
	mine := median(late["checker"])
	rows := []row{
		{fmt.Sprintf("promotion → program runs, median of %d", failoverRuns), ms(mine), "≤ 300 ms", "", verdict(mine <= failoverMedianTarget)},
		{"  psql with target_session_attrs every second", ms(median(late["loop"])), "", times(median(late["loop"]), mine), ""},
		{"  logins a second at the standby, median", fmt.Sprintf("%.1f", median(rates)), "≤ 4", "", verdict(median(rates) <= failoverLoginTarget)},
	}
	standby, err := primary.Standby()
	if err != nil {
		return rows, err
	}
	servers = append(servers, standby)
	crowd, err := failoverOfMany(ctx, b, primary, standby)
	return append(rows, crowd...), err
}

// oneFailover gives for every waiter how long after the promotion its program
// was exec'd, and how often the checker logged in to the standby.
func oneFailover(ctx context.Context, primary, standby *localpg.Cluster, waiters map[string][]string, watch *execWatch) (map[string]time.Duration, float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := primary.Stop(syscall.SIGQUIT); err != nil {
		return nil, 0, err
	}
	if err := os.Truncate(standby.LogFile(), 0); err != nil {
		return nil, 0, err
	}
	watch.forget()
	begun := time.Now()
	all := map[string]*exec.Cmd{}
	for name, argv := range waiters {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Env = pair(primary, standby)
		if err := cmd.Start(); err != nil {
			return nil, 0, err
		}
		all[name] = cmd
	}
	time.Sleep(time.Second + time.Duration(rand.Int64N(int64(failoverWithin))))
	before, err := loginsOf(standby)
	waited := time.Since(begun).Seconds()
	if err != nil {
		return nil, 0, err
	}
	if err := standby.Promote(); err != nil {
		return nil, 0, err
	}
	for name, cmd := range all {
		if err := cmd.Wait(); err != nil {
			return nil, 0, fmt.Errorf("%s: %w", name, err)
		}
	}
	accepts, err := acceptedAt(standby)
	if err != nil {
		return nil, 0, err
	}
	late := map[string]time.Duration{}
	for name := range all {
		at, ok := watch.at(name)
		if !ok {
			return nil, 0, fmt.Errorf("%s: its program was not exec'd", name)
		}
		late[name] = at.Sub(accepts)
	}
	// The first login of all is not one of waiting.
	return late, float64(max(before-1, 0)) / waited, nil
}

// failoverOfMany has every checker wait through the same failover.
func failoverOfMany(ctx context.Context, b *bench, primary, standby *localpg.Cluster) ([]row, error) {
	if err := primary.Stop(syscall.SIGQUIT); err != nil {
		return nil, err
	}
	before, err := loginsOf(standby)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		failed []string
	)
	for range failoverCrowd {
		cmd := exec.CommandContext(ctx, b.checker, "--timeout", "3m", "--", "/bin/true")
		cmd.Env = pair(primary, standby)
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		wg.Go(func() {
			if err := cmd.Wait(); err != nil {
				lines := strings.Split(strings.TrimSpace(said.String()), "\n")
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, fmt.Sprintf("%v: %s", err, lines[len(lines)-1]))
			}
		})
	}
	time.Sleep(failoverCrowdLength)
	if err := standby.Promote(); err != nil {
		return nil, err
	}
	promoted := time.Now()
	wg.Wait()
	all, err := loginsOf(standby)
	if err != nil {
		return nil, err
	}
	rate := float64(all-before) / failoverCrowd / time.Since(begun).Seconds()
	if len(failed) > 0 {
		b.notes = append(b.notes, "one of the crowd in the failover: "+failed[0])
	}
	return []row{
		{strconv.Itoa(failoverCrowd) + " checkers through a failover of 20 s", fmt.Sprintf("%d succeed", failoverCrowd-len(failed)), "all", "", verdict(len(failed) == 0)},
		{"  the last one, after the promotion", fmt.Sprintf("%.1f s", time.Since(promoted).Seconds()), "", "", ""},
		{"  logins a second of each", fmt.Sprintf("%.1f", rate), "≤ 10", "", verdict(rate <= failoverCrowdTarget)},
	}, nil
}
