package main

import (
	"context"
	"time"
)

const (
	readyRuns   = 60
	readyTarget = 2.0
)

// measureReady compares the whole check, from the start of the process to the
// end of the program behind it, with a process that only logs in. The runs
// alternate, so that a busy moment of the machine meets both.
func measureReady(ctx context.Context, b *bench) ([]row, error) {
	c, err := b.server()
	if err != nil {
		return nil, err
	}
	defer c.Remove()
	project, err := b.baseline()
	if err != nil {
		return nil, err
	}
	env := environment(c.Port)
	var ours, bare, peer []time.Duration
	for i := range readyRuns {
		d, err := timed(ctx, append(env, project...), b.checker, "--log-level", "warn", "--", "/bin/true")
		if err != nil {
			return nil, err
		}
		ours = append(ours, d)
		if d, err = timed(ctx, env, b.helper, "login"); err != nil {
			return nil, err
		}
		bare = append(bare, d)
		if b.wait4x != "" && i%4 == 0 {
			if d, err = timed(ctx, env, b.wait4x, "postgresql", url(c.Port), "--", "/bin/true"); err != nil {
				return nil, err
			}
			peer = append(peer, d)
		}
	}
	mine, plain := median(ours), median(bare)
	rows := []row{
		{"ready server: login, durable baseline, exec", ms(mine), "≤ 2× a bare login", times(mine, plain), verdict(float64(mine) <= readyTarget*float64(plain))},
		{"  bare pgconn login, a process too", ms(plain), "", "1.0×", ""},
	}
	if len(peer) > 0 {
		rows = append(rows, row{"  wait4x", ms(median(peer)), "", times(median(peer), plain), ""})
	}
	return rows, nil
}
