package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	planRuns   = 20
	planTarget = 30 * time.Millisecond
	example    = "test/example"
)

// measurePlan plans a copy of the example project.
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
	var all []time.Duration
	for range planRuns {
		d, err := timed(ctx, env, odpm, "-C", project, "plan", "--plan-no-docker")
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	m := median(all)
	return []row{{"odpm plan --plan-no-docker, example project", ms(m), "≤ 30 ms", "", verdict(m <= planTarget)}}, nil
}
