package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/odpm/odpm/shared/handoff"
	"github.com/odpm/odpm/shared/snapshot"
	"github.com/odpm/odpm/test/localpg"
)

// bench is what the figures share: the programs, built once, and a directory.
type bench struct {
	dir     string
	checker string
	helper  string
	// wait4x is "" where its module could not be installed.
	wait4x string
	notes  []string
	pgbin  string
}

// The role that everybody logs in as.
const (
	role     = "odoo"
	password = "bench-pw"
)

func newBench(ctx context.Context) (*bench, error) {
	dir, err := os.MkdirTemp("", "odpm-bench")
	if err != nil {
		return nil, err
	}
	// PostgreSQL runs as another user below it.
	os.Chmod(dir, 0o755)
	b := &bench{dir: dir, checker: filepath.Join(dir, "odpm-checker"), helper: filepath.Join(dir, "helper")}
	if b.pgbin, err = localpg.Bin(""); err != nil {
		b.close()
		return nil, err
	}
	// The flags are the Dockerfile's.
	for out, pkg := range map[string]string{b.checker: "./checker/cmd/odpm-checker", b.helper: "./test/bench/helper"} {
		if err := build(ctx, out, pkg); err != nil {
			b.close()
			return nil, err
		}
	}
	b.findWait4x(ctx)
	return b, nil
}

func build(ctx context.Context, out, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, text)
	}
	return nil
}

// findWait4x installs the peer from its Go module, unless $WAIT4X or the PATH
// has one.
func (b *bench) findWait4x(ctx context.Context) {
	if path := os.Getenv("WAIT4X"); path != "" {
		b.wait4x = path
		return
	}
	if path, err := exec.LookPath("wait4x"); err == nil {
		b.wait4x = path
		return
	}
	const module = "wait4x.dev/v3/cmd/wait4x@latest"
	cmd := exec.CommandContext(ctx, "go", "install", module)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), "GOBIN="+b.dir, "GOFLAGS=-mod=mod", "GOWORK=off", "CGO_ENABLED=0")
	text, err := cmd.CombinedOutput()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		b.notes = append(b.notes, "wait4x is not measured, go install "+module+" says: "+lines[len(lines)-1]+" (WAIT4X=/path/to/wait4x measures one that is there)")
		return
	}
	b.wait4x = filepath.Join(b.dir, "wait4x")
}

func (b *bench) say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// noteLoad says how busy the machine was: times in milliseconds mean little
// where others compete for its processors.
func (b *bench) noteLoad() {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return
	}
	fields := strings.Fields(string(data))
	load, err := strconv.ParseFloat(fields[1], 64)
	if err == nil && load > float64(runtime.NumCPU()) {
		b.notes = append(b.notes, fmt.Sprintf("the machine was busy: load %s on %d processors; times and shares are larger than on an idle one", fields[1], runtime.NumCPU()))
	}
}

func (b *bench) close() { os.RemoveAll(b.dir) }

// server makes a cluster with the role in it, started.
func (b *bench) server(conf ...string) (*localpg.Cluster, error) {
	c, err := localpg.New(b.dir, b.pgbin, conf...)
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		c.Remove()
		return nil, err
	}
	if _, err := c.SQL("postgres", "CREATE ROLE "+role+" LOGIN CREATEDB PASSWORD '"+password+"'"); err != nil {
		c.Remove()
		return nil, err
	}
	return c, nil
}

// environment reaches the cluster as the role.
func environment(port int) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent",
		"PGHOST=127.0.0.1", "PGPORT=" + strconv.Itoa(port), "PGUSER=" + role, "PGPASSWORD=" + password, "PGDATABASE=postgres"}
}

// url is the same connection for wait4x.
func url(port int) string {
	return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/postgres?sslmode=disable", role, password, port)
}

// baseline makes the two directories of a project and gives the environment
// with which the checker records in them.
func (b *bench) baseline() ([]string, error) {
	dir, err := os.MkdirTemp(b.dir, "project")
	if err != nil {
		return nil, err
	}
	candidate := snapshot.Snapshot{
		Cluster:  snapshot.Cluster{AppRole: role},
		Compose:  snapshot.Compose{ServiceName: "db", DataPathAbs: "/srv/pg", HostPort: 5432, ImageTag: "15"},
		OdooConf: snapshot.OdooConf{DBHost: "db", DBPort: 5432, DBUser: role},
		Scenario: "developer",
	}
	id, err := handoff.Identify(&candidate, nil)
	if err != nil {
		return nil, err
	}
	if err := handoff.Save(dir, &handoff.Handoff{Version: handoff.Version, ID: id, Candidate: candidate, OdooMajor: 18}); err != nil {
		return nil, err
	}
	return []string{"ODPM_RUNTIME_DIR=" + dir, "ODPM_DATABASE_DIR=" + dir, handoff.EnvID + "=" + id, "ODPM_REQUIRE_BASELINE=true"}, nil
}

// timed runs a command to its end.
func timed(ctx context.Context, env []string, argv ...string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = env
	var said strings.Builder
	cmd.Stderr = &said
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	if err != nil {
		return took, fmt.Errorf("%s: %w: %s", filepath.Base(argv[0]), err, strings.TrimSpace(said.String()))
	}
	return took, nil
}
