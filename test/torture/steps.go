package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// writing are the system calls that change files, those that read them, and
// those that reach others.
var (
	writing = []string{"fsync", "syncfs", "renameat,renameat2", "linkat", "unlinkat", "mkdirat", "write", "pwrite64", "fchmod,fchmodat", "fchown,fchownat", "ftruncate", "flock"}
	reading = []string{"read", "pread64", "getdents64", "newfstatat,fstat,statx", "openat", "openat2", "statfs,fstatfs"}
	others  = []string{"connect", "socket", "pipe2"}
)

// stepped has strace do something to a command at one of its system calls.
func stepped(calls []string, works []string, what func(t *tries) string, full int) func(*tries) error {
	return func(t *tries) error {
		strace, err := exec.LookPath("strace")
		if err != nil {
			return fmt.Errorf("%w; run: make setup", err)
		}
		return onFull(t, func(p *place) error {
			var all []*work
			for _, w := range p.works() {
				for _, name := range works {
					if w.name == name {
						all = append(all, w)
					}
				}
			}
			p.through = func(cmd *exec.Cmd) *exec.Cmd {
				call := calls[t.rng.IntN(len(calls))]
				// The count is each thread's own.
				at := 1 + t.rng.IntN(1+t.rng.IntN(6))
				args := []string{"-f", "-qqq", "-o", filepath.Join(p.dir, "strace.log"), "-e", "trace=" + call, "-e", "inject=" + call + ":" + what(t) + ":when=" + strconv.Itoa(at)}
				under := exec.CommandContext(t.ctx, strace, append(append(args, cmd.Path), cmd.Args[1:]...)...)
				under.Dir, under.Env = cmd.Dir, cmd.Env
				p.note = fmt.Sprint(args[5:])
				return under
			}
			p.missed = func() bool {
				log, err := os.ReadFile(filepath.Join(p.dir, "strace.log"))
				return err == nil && !injected.Match(log)
			}
			defer func() { p.through, p.missed = nil, nil }()
			return t.broken(p, all, t.times(1, full), func(r *running, _ time.Duration) error {
				r.ends(patience)
				return nil
			}, nothing)
		})
	}
}

// injected is how strace says that it has done something.
var injected = regexp.MustCompile(`INJECTED|--- SIG(INT|TERM|HUP)|killed by SIGKILL`)

var everyWork = []string{"run", "password", "backup", "drop", "restore"}

func oneOf(all ...string) func(t *tries) string {
	return func(t *tries) string { return all[t.rng.IntN(len(all))] }
}
