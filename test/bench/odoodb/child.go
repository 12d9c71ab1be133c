package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"github.com/odpm/odpm/host/odoodb/backup"
	"github.com/odpm/odpm/host/odoodb/restore"
	"github.com/odpm/odpm/host/odoodb/verify"
)

const childVerb = "as-odpm"

// childJob is what a process of its own does, whose memory is then odpm's.
type childJob struct {
	Verb, File, Database string
	Place                *place
}

type childResult struct{ RSS, Bytes, DumpBytes int64 }

func (p *place) child(ctx context.Context, j childJob) (res childResult, err error) {
	self, err := os.Executable()
	if err != nil {
		return res, err
	}
	j.Place = p
	in, err := json.Marshal(j)
	if err != nil {
		return res, err
	}
	cmd := exec.CommandContext(ctx, self, childVerb)
	cmd.Env = append(os.Environ(), "TMPDIR="+p.tmp())
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return res, fmt.Errorf("%s with odpm: %w", j.Verb, err)
	}
	return res, json.Unmarshal(out, &res)
}

func runChild(ctx context.Context) error {
	var j childJob
	if err := json.NewDecoder(os.Stdin).Decode(&j); err != nil {
		return err
	}
	var res childResult
	switch s := j.Place.server(); j.Verb {
	case "backup":
		r, err := backup.Run(ctx, s, backup.Options{Database: j.Database, File: j.File, OdooVersion: "18.0"})
		if err != nil || len(r.Warnings) > 0 {
			return errors.Join(err, fmt.Errorf("warnings: %q", r.Warnings))
		}
		res.Bytes, res.DumpBytes = r.Bytes, r.DumpBytes
	case "verify":
		if _, err := verify.File(ctx, j.File, verify.Options{OdooMajor: 18}); err != nil {
			return err
		}
	case "rehearse":
		if r, err := restore.Rehearse(ctx, s, restore.RehearseOptions{Restore: restore.Options{File: j.File, OdooMajor: 18}}); err != nil || !r.RowsCompared {
			return errors.Join(err, errors.New("a rehearsal that compared no rows"))
		}
	case "restore":
		if _, err := restore.Run(ctx, s, restore.Options{File: j.File, Database: j.Database, OdooMajor: 18}); err != nil {
			return err
		}
	}
	var err error
	if res.RSS, err = peakMemory(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(res)
}

var highWater = regexp.MustCompile(`VmHWM:\s+([0-9]+) kB`)

func peakMemory() (int64, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	m := highWater.FindStringSubmatch(strings.TrimSpace(string(b)))
	if m == nil {
		return 0, errors.New("/proc/self/status has no VmHWM")
	}
	kb, err := strconv.ParseInt(m[1], 10, 64)
	return kb << 10, err
}
