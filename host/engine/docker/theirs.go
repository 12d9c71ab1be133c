package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/odpm/odpm/host/engine"
)

// copyTime is for a file store of some hundred gigabytes.
const copyTime = 12 * time.Hour

// Running are the services of the compose project that run.
func (e *Engine) Running(ctx context.Context) ([]string, error) {
	list, err := e.cl.all(ctx, "label="+labelProject+"="+e.o.Project)
	return runningServices(list), err
}

func runningServices(list []container) []string {
	var out []string
	for _, c := range list {
		if c.State.Running && !c.oneOff() {
			out = append(out, c.service())
		}
	}
	return out
}

// StopStack stops every container of the compose project, and tells which
// services ran.
func (e *Engine) StopStack(ctx context.Context) (ran []string, err error) {
	list, err := e.cl.all(ctx, "label="+labelProject+"="+e.o.Project)
	if err != nil {
		return nil, err
	}
	ran = runningServices(list)
	for _, c := range list {
		if err := e.stop(ctx, c); err != nil {
			return ran, err
		}
	}
	return ran, nil
}

// RemoveStack stops the compose project's containers, and removes all but those in
// keep. Volumes stay, anonymous ones too.
func (e *Engine) RemoveStack(ctx context.Context, keep []string) (kept []string, err error) {
	if _, err := e.StopStack(ctx); err != nil {
		return nil, err
	}
	list, err := e.cl.all(ctx, "label="+labelProject+"="+e.o.Project)
	if err != nil {
		return nil, err
	}
	for _, c := range list {
		if slices.Contains(keep, c.ID) {
			kept = append(kept, c.ID)
			continue
		}
		if _, err := e.cl.output(ctx, "rm", c.ID); err != nil && !noSuch(err) {
			return kept, fmt.Errorf("remove container %s: %w", c.name(), err)
		}
	}
	return kept, nil
}

// CopyData copies what a volume or a container has into a directory of this
// machine. The source stays as it is.
func (e *Engine) CopyData(ctx context.Context, c engine.CopyData) error {
	if c.Container != "" {
		if _, err := e.cl.ask(ctx, copyTime, answerSize, nil, "cp", "-a", c.Container+":"+c.From+"/.", c.To); err != nil {
			return err
		}
	}
	// A data_dir that Odoo never made is no reason to leave the rest behind.
	script, mounts := `d=$1; [ -d "$d" ] || d=/from; cp -a "$d/." /to/ && `, []string{"-v", c.To + ":/to"}
	if c.Volume != "" {
		mounts = append(mounts, "-v", c.Volume+":/from:ro")
	} else {
		script = ""
	}
	if c.Owner != "" {
		script += "chown -R " + c.Owner + " /to"
	} else {
		script += ":"
	}
	if script == ":" {
		return nil
	}
	if _, err := e.inspectImage(ctx, c.Image); errors.Is(err, engine.ErrNoImage) {
		if err := e.Pull(ctx, c.Image); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	_, _, err := e.runOneOff(ctx, oneOff{
		name: "odpm-copy-" + token(), image: c.Image, user: "0", entrypoint: "sh", mounts: mounts, limit: copyTime,
		options: []string{"--security-opt", "label=disable"}, args: []string{"-c", script, "sh", "/from" + c.From},
	})
	return err
}
