package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	sizeTarget   = 8_000_000
	memoryTarget = 14 << 10 // KiB
)

// measureSize builds for linux/amd64 as the image does, whatever this machine
// is.
func measureSize(ctx context.Context, b *bench) ([]row, error) {
	out := filepath.Join(b.dir, "odpm-checker-amd64")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, "./checker/cmd/odpm-checker")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, text)
	}
	info, err := os.Stat(out)
	if err != nil {
		return nil, err
	}
	rows := []row{{"checker, linux/amd64, stripped", megabytes(info.Size()), "≤ 8 MB", "", verdict(info.Size() <= sizeTarget)}}
	if b.wait4x != "" {
		if peer, err := os.Stat(b.wait4x); err == nil {
			rows = append(rows, row{"  wait4x, as installed", megabytes(peer.Size()), "", fmt.Sprintf("%.1f×", float64(peer.Size())/float64(info.Size())), ""})
		}
	}
	return rows, nil
}

func megabytes(n int64) string { return fmt.Sprintf("%.2f MB", float64(n)/1e6) }

// measureMemory takes the peak of a whole check with login and baseline.
func measureMemory(ctx context.Context, b *bench) ([]row, error) {
	c, err := b.server()
	if err != nil {
		return nil, err
	}
	defer c.Remove()
	project, err := b.baseline()
	if err != nil {
		return nil, err
	}
	peak, err := b.peak(ctx, append(environment(c.Port), project...), 10, b.checker, "--check")
	if err != nil {
		return nil, err
	}
	rows := []row{{"peak memory, login and baseline", kib(peak), "≤ 14 MB", "", verdict(peak <= memoryTarget)}}
	if b.wait4x != "" {
		other, err := b.peak(ctx, environment(c.Port), 3, b.wait4x, "postgresql", url(c.Port))
		if err != nil {
			return rows, err
		}
		rows = append(rows, row{"  wait4x", kib(other), "", fmt.Sprintf("%.1f×", float64(other)/float64(peak)), ""})
	}
	return rows, nil
}

func kib(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1024) }

// peak is the largest of several runs, in KiB.
func (b *bench) peak(ctx context.Context, env []string, runs int, argv ...string) (int64, error) {
	var most int64
	for range runs {
		cmd := exec.CommandContext(ctx, b.helper, append([]string{"usage"}, argv...)...)
		cmd.Env = env
		var said strings.Builder
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			return 0, fmt.Errorf("%w: %s", err, said.String())
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
		if err != nil {
			return 0, err
		}
		most = max(most, n)
	}
	return most, nil
}
