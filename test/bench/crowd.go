package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

const (
	crowdSize  = 200
	crowdDelay = 3 * time.Second
)

// measureCrowd starts more checkers than the server has connections, before
// the server: a rolling restart of a large installation after a power cut.
func measureCrowd(ctx context.Context, b *bench) ([]row, error) {
	c, err := b.server("max_connections = 100")
	if err != nil {
		return nil, err
	}
	defer c.Remove()
	if err := c.Stop(syscall.SIGINT); err != nil {
		return nil, err
	}
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		ended  []time.Time
		failed []string
	)
	for range crowdSize {
		cmd := exec.CommandContext(ctx, b.checker, "--timeout", "60s", "--", "/bin/true")
		cmd.Env = environment(c.Port)
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		wg.Go(func() {
			err := cmd.Wait()
			mu.Lock()
			defer mu.Unlock()
			ended = append(ended, time.Now())
			if err != nil {
				lines := bytes.Split(bytes.TrimSpace(said.Bytes()), []byte("\n"))
				failed = append(failed, fmt.Sprintf("%v: %s", err, lines[len(lines)-1]))
			}
		})
	}
	time.Sleep(crowdDelay)
	up := time.Now()
	if err := c.Launch(); err != nil {
		return nil, err
	}
	wg.Wait()
	last := up
	for _, t := range ended {
		if t.After(last) {
			last = t
		}
	}
	rows := []row{
		{fmt.Sprintf("%d checkers at once, max_connections=100", crowdSize), fmt.Sprintf("%d succeed", crowdSize-len(failed)), "all", "", verdict(len(failed) == 0)},
		{"  the last one, after the server's start", fmt.Sprintf("%.1f s", last.Sub(up).Seconds()), "", "", ""},
	}
	if len(failed) > 0 {
		b.notes = append(b.notes, "one of the crowd: "+failed[0])
	}
	return rows, nil
}
