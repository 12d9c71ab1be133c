package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	planRuns   = 30
	planTarget = 12 * time.Millisecond
	example    = "test/example"
)

// measurePlan plans a copy of the example project. Most of the time is the start
// of the program: Compose's own loader compiles every draft of JSON Schema before
// main, 10 of 13 ms of initialisation, and no caller can put that off. So the
// start is a row of its own, and the target is for what the plan takes beyond it.
func measurePlan(ctx context.Context, b *bench) ([]row, error) {
	odpm := filepath.Join(b.dir, "odpm")
	if err := build(ctx, odpm, "./host/cmd/odpm"); err != nil {
		return nil, err
	}
	project := filepath.Join(b.dir, "example")
	if err := os.CopyFS(project, os.DirFS(example)); err != nil {
		return nil, fmt.Errorf("the example project: %w", err)
	}
	// Somebody's ~/.odpm/.env must not take part.
	env := append(environment(1), "HOME="+b.dir)
	var plans, starts, beyond []time.Duration
	for range planRuns {
		start, err := timed(ctx, env, odpm, "--version")
		if err != nil {
			return nil, err
		}
		plan, err := timed(ctx, env, odpm, "-C", project, "plan", "--plan-no-docker")
		if err != nil {
			return nil, err
		}
		starts, plans, beyond = append(starts, start), append(plans, plan), append(beyond, plan-start)
	}
	own := median(beyond)
	return []row{
		{"odpm --version, the program's start", ms(median(starts)), "", "1.0×", ""},
		{"  odpm plan --plan-no-docker, example project", ms(median(plans)), "", times(median(plans), median(starts)), ""},
		{"  of it beyond the start, median of 30 pairs", ms(own), "≤ 12 ms", "", verdict(own <= planTarget)},
	}, nil
}
