package docker_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/odpm/odpm/host/engine"
	"github.com/odpm/odpm/host/engine/docker"
)

// TestExec: a program in the container, its streams and its exit code.
func TestExec(t *testing.T) {
	ctx := limit(t)
	o := stack(t)
	o.Env = []string{"GREETING=good morning"}
	e := docker.New(o)
	var out bytes.Buffer
	if err := e.Exec(ctx, engine.Container{}, []string{"true"}, nil, &out); err == nil || !strings.Contains(err.Error(), "is not running") {
		t.Errorf("without a container: %v", err)
	}
	if err := e.Up(ctx, nil, "odoo"); err != nil {
		t.Fatal(err)
	}
	c, err := e.Container(ctx, "odoo")
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Exec(ctx, c, []string{"sh", "-c", "echo to stdout; echo $GREETING $MORE >&2; head -c 300000 /dev/zero | tr '\\0' x"}, []string{"MORE=to you"}, &out); err != nil {
		t.Fatal(err)
	}
	if said := out.String(); !strings.Contains(said, "to stdout\n") || !strings.Contains(said, "good morning to you\n") || strings.Count(said, "x") < 300000 {
		t.Errorf("%d bytes: %.80q", len(said), said)
	}
	var exit *engine.ExitError
	out.Reset()
	if err := e.Exec(ctx, c, []string{"sh", "-c", "echo no >&2; exit 77"}, nil, &out); !errors.As(err, &exit) || exit.Code != 77 || exit.Stderr != "no" {
		t.Errorf("%v", err)
	}
	// Whatever it says, or how docker tells it: a program that is not there has
	// not ended with 0.
	if err := e.Exec(ctx, c, []string{"/no/such/program"}, nil, &out); err == nil || ctx.Err() != nil {
		t.Errorf("no such program: %v", err)
	} else {
		t.Log(err)
	}
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if err := e.Exec(short, c, []string{"sleep", "600"}, nil, &out); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	all, err := e.Processes(ctx, "odoo")
	if err != nil || !slices.Contains(all, "sleep 1000") {
		t.Errorf("%q %v", all, err)
	}
	if all, err := e.Processes(ctx, "nobody"); err != nil || all != nil {
		t.Errorf("%q %v", all, err)
	}
	began := time.Now()
	for range 10 {
		if err := e.Exec(ctx, c, []string{"true"}, nil, &out); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("a run takes %s", time.Since(began)/10)
}
