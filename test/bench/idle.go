package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"time"

	"github.com/odpm/odpm/test/localpg"
)

const (
	idleTime   = 30 * time.Second
	idleTarget = 0.01
)

// measureIdle lets everybody wait for a port on which nothing listens.
func measureIdle(ctx context.Context, b *bench) ([]row, error) {
	port, err := localpg.FreePort()
	if err != nil {
		return nil, err
	}
	env := environment(port)
	seconds := strconv.Itoa(int(idleTime.Seconds())) + "s"
	type waiter struct {
		name string
		argv []string
		cmd  *exec.Cmd
	}
	waiters := []*waiter{
		{name: "waiting 30 s for a closed port", argv: []string{b.checker, "--timeout", seconds, "--", "/bin/true"}},
		{name: "  pg_isready every second", argv: []string{"sh", "-c", shellLoop(b.pgbin, "false")}},
	}
	if b.wait4x != "" {
		waiters = append(waiters, &waiter{name: "  wait4x", argv: []string{b.wait4x, "postgresql", url(port), "--timeout", seconds}})
	}
	limit, cancel := context.WithTimeout(ctx, idleTime+5*time.Second)
	defer cancel()
	start := time.Now()
	for _, w := range waiters {
		w.cmd = exec.CommandContext(limit, w.argv[0], w.argv[1:]...)
		w.cmd.Env = env
		if err := w.cmd.Start(); err != nil {
			return nil, err
		}
	}
	// The loop has no end of its own.
	loop := waiters[1].cmd
	time.AfterFunc(idleTime, func() { loop.Process.Kill() })
	var rows []row
	var ours float64
	for i, w := range waiters {
		w.cmd.Wait()
		state := w.cmd.ProcessState
		used := (state.UserTime() + state.SystemTime()).Seconds()
		share := used / idleTime.Seconds()
		r := row{what: w.name, value: fmt.Sprintf("%.2f %% of a core", share*100)}
		if i == 0 {
			if waited := time.Since(start); waited < idleTime {
				return nil, fmt.Errorf("the checker waited %s only", waited)
			}
			ours = share
			r.target, r.verdict = "≤ 1 %", verdict(share <= idleTarget)
		} else {
			r.ratio = fmt.Sprintf("%.1f×", share/ours)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// shellLoop is what many an entrypoint has: ask, sleep a second, ask again.
func shellLoop(pgbin, then string) string {
	return "until " + pgbin + "/pg_isready -q; do sleep 1; done; exec " + then
}
