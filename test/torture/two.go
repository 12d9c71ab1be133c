package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/odpm/odpm/shared/handoff"
	"github.com/odpm/odpm/shared/snapshot"
)

// twoAtOnce runs each command beside each. Both end in order, the second one
// after the first where it has to; the database is whole or dropped.
func twoAtOnce(t *tries) error {
	return onFull(t, func(p *place) error {
		other := p.works()
		for _, args := range [][]string{{"plan"}, {"database", "status"}, {"database", "list"}, {"database", "ensure-role"}} {
			other = append(other, &work{name: strings.Join(args, " "), args: args, before: nothing, after: func(bool) error { return nil }})
		}
		for _, w := range other { // so that both know how long it takes
			if err := w.before(); err != nil { // a promise before this one may have left an archive
				return err
			}
			if _, err := p.moment(w); err != nil {
				return err
			}
		}
		for range t.times(4, 300) {
			a, b := other[t.rng.IntN(len(other))], other[t.rng.IntN(len(other))]
			if err := errors.Join(p.again(), a.before(), b.before(), p.again()); err != nil {
				return err
			}
			one, err := p.start(a.args...)
			if err != nil {
				return err
			}
			one.ends(time.Duration(t.rng.Int64N(int64(a.took))))
			two, err := p.start(b.args...)
			if err != nil {
				one.kill()
				return err
			}
			_, broke := one.wait()
			_, wrong := two.wait()
			broke = errors.Join(broke, wrong)
			for _, r := range []*running{one, two} {
				if r.err != nil && !isExit(r.err) {
					broke = errors.Join(broke, r.err)
				}
			}
			broke = errors.Join(broke, p.odpm("--no-input"), p.dropped(false), p.clean())
			if broke != nil {
				broke = fmt.Errorf("%s said %q, %s said %q: %w", a.name, one.out, b.name, two.out, broke)
			}
			t.tried(broke)
		}
		return nil
	})
}

// killedChecker ends a checker that records. There is always a baseline, and
// it is one that can be read.
func killedChecker(t *tries) error {
	return onFull(t, func(p *place) error {
		hand, err := handoff.Load(filepath.Join(p.dir, handoff.HostRuntimeDir))
		if err != nil {
			return err
		}
		record := func() *exec.Cmd {
			cmd := exec.CommandContext(t.ctx, filepath.Join(t.bin, "odpm-checker"), "--require-baseline", "--runtime-dir", filepath.Join(p.dir, handoff.HostRuntimeDir), "--database-dir", filepath.Join(p.dir, handoff.HostDatabaseDir),
				"--check", "--", "odoo", "--db_host", "127.0.0.1", "--db_port", strconv.Itoa(p.port), "--db_user", "odoo", "--db_password", "odoo")
			cmd.Env = append(os.Environ(), "HOME="+p.dir, handoff.EnvID+"="+hand.ID, "PATH="+p.programs()+":"+os.Getenv("PATH"))
			return cmd
		}
		path := filepath.Join(p.dir, handoff.HostDatabaseDir, snapshot.FileName)
		begin := time.Now()
		if out, err := record().CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		took := time.Since(begin)
		n := t.times(20, 3000)
		for i := range n {
			r, err := start(record())
			if err != nil {
				return err
			}
			r.ends(time.Duration(t.rng.Int64N(int64(took))))
			_ = r.cmd.Process.Signal(syscall.SIGKILL)
			_, broke := r.wait()
			if _, err := snapshot.Load(path); err != nil {
				broke = errors.Join(broke, err)
			}
			if i%100 == 0 || i == n-1 {
				p.age()
				broke = errors.Join(broke, p.odpm("--no-input"), p.clean())
			}
			t.tried(broke)
		}
		return nil
	})
}

// programs is a directory with a program that is called as Odoo is.
func (p *place) programs() string {
	dir := filepath.Join(p.dir, "bin")
	_ = os.MkdirAll(dir, 0o755)
	_ = os.WriteFile(filepath.Join(dir, "odoo"), []byte("#!/bin/sh\n"), 0o755)
	return dir
}
