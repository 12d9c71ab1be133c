package main_test

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestHandover: Odoo is the same process, with everything as it was given to
// the checker: environment, signal dispositions, limits, open files.
func TestHandover(t *testing.T) {
	c := server(t)
	// Without grep: while dash starts a program it has every signal blocked.
	report := write(t, filepath.Join(t.TempDir(), "report"), `#!/bin/sh
echo "pid=$$"
while read -r l; do case $l in SigBlk*|SigIgn*|Threads*) echo "$l";; esac; done </proc/$$/status
for f in /proc/$$/fd/*; do echo "fd=${f##*/}"; done
tr '\0' '\n' </proc/$$/environ
`)
	os.Chmod(report, 0o755)
	inv := invocation{env: with(connection(c), "MARK=x y"), args: []string{"--", report}}
	cmd, wait := inv.background(t)
	pid := cmd.Process.Pid
	r := wait()
	r.want(t, 0, "pid="+strconv.Itoa(pid)+"\n", "SigBlk:\t0000000000000000", "MARK=x y\n", "Threads:\t1\n")
	// Started without the checker, it has the same files open, and ignores the
	// same signals: both come from whoever runs the tests.
	plain := exec.Command(report)
	plain.Env = cmd.Env
	out, err := plain.Output()
	if err != nil {
		t.Fatal(err)
	}
	if a, b := lines(r.stdout, "fd="), lines(string(out), "fd="); a != b {
		t.Errorf("open files behind the checker:\n%swithout:\n%s", a, b)
	}
	if a, b := lines(r.stdout, "SigIgn:"), lines(string(out), "SigIgn:"); a != b {
		t.Errorf("ignored behind the checker: %swithout: %s", a, b)
	}
	for _, v := range cmd.Env {
		if !strings.Contains(r.stdout, v+"\n") {
			t.Errorf("the environment lost %s", v)
		}
	}
	if strings.Contains(r.stdout, "GOMAXPROCS") {
		t.Error("the checker's own settings reach Odoo")
	}
}

// lines are those with a prefix.
func lines(text, prefix string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// TestSoftLimitOfOpenFiles: Go raises it for itself; Odoo gets its own back.
func TestSoftLimitOfOpenFiles(t *testing.T) {
	c := server(t)
	inv := invocation{env: connection(c)}
	cmd := exec.Command("sh", "-c", `ulimit -S -n 333 && exec "$0" -- sh -c 'ulimit -S -n'`, binary)
	cmd.Env = append([]string{"PATH=/usr/bin:/bin"}, inv.env...)
	out, err := cmd.Output()
	if err != nil || strings.TrimSpace(string(out)) != "333" {
		t.Errorf("%s %v", out, err)
	}
}

// TestSignalsWhileWaiting: 128+N, at once, and no Odoo.
func TestSignalsWhileWaiting(t *testing.T) {
	// Under nohup SIGHUP is ignored, which children inherit and the checker
	// respects; a signal that is caught here is a default one for them.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	defer signal.Stop(caught)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT} {
		t.Run(sig.String(), func(t *testing.T) {
			cmd, wait := invocation{env: []string{"PGHOST=127.0.0.1", "PGPORT=1", "PGUSER=odoo"}, args: []string{"--", "odoo"}}.background(t)
			says(t, cmd, "waiting:")
			start := time.Now()
			cmd.Process.Signal(sig)
			r := wait()
			r.want(t, 128+int(sig), "stopped by signal")
			if d := time.Since(start); d > soon {
				t.Errorf("took %s to stop", d)
			}
			if r.stdout != "" {
				t.Errorf("Odoo was started: %s", r.stdout)
			}
		})
	}
}

// TestSignalDuringAnAttempt: a peer that says nothing does not delay the end.
func TestSignalDuringAnAttempt(t *testing.T) {
	asked := make(chan struct{}, 1)
	port := peer(t, func(c net.Conn) { asked <- struct{}{}; silence(c) })
	cmd, wait := invocation{env: []string{"PGHOST=127.0.0.1", "PGPORT=" + port, "PGUSER=odoo"}, args: []string{"--attempt-timeout", "50s", "--", "odoo"}}.background(t)
	select {
	case <-asked:
	case <-time.After(time.Minute):
		t.Fatal("nobody was asked")
	}
	start := time.Now()
	cmd.Process.Signal(syscall.SIGTERM)
	wait().want(t, 143)
	if d := time.Since(start); d > soon {
		t.Errorf("took %s to stop", d)
	}
}

// TestSignalBeforeTheExec: one that comes after the proof, while the program is
// about to take over, ends either the checker or the program; it is not lost.
func TestSignalBeforeTheExec(t *testing.T) {
	c := server(t)
	for range 40 {
		cmd := exec.Command(binary, "--", "sleep", "2")
		cmd.Env = append([]string{"PATH=/usr/bin:/bin"}, connection(c)...)
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(stderr)
		for lines.Scan() && !strings.Contains(lines.Text(), "login proven") {
		}
		cmd.Process.Signal(syscall.SIGTERM)
		io.Copy(io.Discard, stderr)
		if err := cmd.Wait(); err == nil {
			t.Fatal("the signal was lost: the program ran to its end")
		}
	}
}

// TestSignalAfterTheLogin: one that comes while the baseline is written is not
// lost in the exec. strace holds the first fsync up, and keeps aside (-D), so
// that the signal goes to the checker itself.
func TestSignalAfterTheLogin(t *testing.T) {
	c := server(t)
	p := newProject(t, c, 18)
	cmd := exec.Command("strace", "-D", "-f", "-o", "/dev/null", "-e", "trace=fsync", "-e", "inject=fsync:delay_enter=3000000:when=1", binary, "--", "odoo")
	cmd.Env = append(append([]string{"PATH=" + binDir + ":/usr/bin:/bin"}, connection(c)...), p.env()...)
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; is strace there? run: make setup", err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if unfinished, _ := filepath.Glob(filepath.Join(p.database, ".*.tmp")); len(unfinished) > 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("no baseline is being written")
		}
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if code := exitCode(t, cmd.Wait()); code != 143 || out.String() != "" {
		t.Errorf("exit code %d, and Odoo said %q", code, out.String())
	}
}

// TestIgnoredSignalStaysIgnored: nohup's promise holds for the checker and for
// Odoo.
func TestIgnoredSignalStaysIgnored(t *testing.T) {
	c := startServer(t, nil)
	c.Stop(syscall.SIGINT)
	cmd := exec.Command("sh", "-c", `trap '' HUP; exec "$0" -- grep SigIgn /proc/self/status`, binary)
	cmd.Env = append([]string{"PATH=/usr/bin:/bin"}, connection(c)...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, new(spoken)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	says(t, cmd, "waiting:")
	cmd.Process.Signal(syscall.SIGHUP)
	time.Sleep(200 * time.Millisecond)
	restart(t, c)
	if err := cmd.Wait(); err != nil || !strings.HasSuffix(strings.TrimSpace(out.String()), "1") {
		t.Errorf("%v %s", err, out.String())
	}
}

// TestAsPID1: as the first process of a container, where the kernel delivers
// only signals that have a handler, both the checker and the Odoo that it
// becomes can be stopped.
func TestAsPID1(t *testing.T) {
	c := server(t)
	odoo := write(t, filepath.Join(t.TempDir(), "odoo"), `#!/bin/sh
trap 'echo "odoo got TERM"; exit 7' TERM
echo "pid=$$"
while :; do sleep 0.05; done
`)
	os.Chmod(odoo, 0o755)
	start := func(t *testing.T, env []string) (*exec.Cmd, *bufio.Reader) {
		cmd := exec.Command(binary, "--", odoo)
		cmd.Env = append([]string{"PATH=/usr/bin:/bin"}, env...)
		cmd.SysProcAttr = newPIDNamespace()
		cmd.Stderr = new(spoken)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill() })
		return cmd, bufio.NewReader(out)
	}
	t.Run("waiting", func(t *testing.T) {
		cmd, _ := start(t, []string{"PGHOST=127.0.0.1", "PGPORT=1", "PGUSER=odoo"})
		says(t, cmd, "waiting:")
		cmd.Process.Signal(syscall.SIGTERM)
		if code := exitCode(t, cmd.Wait()); code != 143 {
			t.Errorf("exit code %d", code)
		}
	})
	t.Run("Odoo", func(t *testing.T) {
		cmd, out := start(t, connection(c))
		if line, _ := out.ReadString('\n'); line != "pid=1\n" {
			t.Errorf("Odoo is %s", line)
		}
		cmd.Process.Signal(syscall.SIGTERM)
		rest, _ := io.ReadAll(out)
		if code := exitCode(t, cmd.Wait()); code != 7 || string(rest) != "odoo got TERM\n" {
			t.Errorf("exit code %d, %s", code, rest)
		}
	})
}

// newPIDNamespace needs a user namespace too where we are not root.
func newPIDNamespace() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	if os.Getuid() != 0 {
		a.Cloneflags |= syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
	}
	return a
}

// TestEmptyRoot: FROM scratch has no libc, no shell, no /etc, no /tmp and no
// /proc, and any uid, also one without a name.
func TestEmptyRoot(t *testing.T) {
	c := server(t)
	for _, uid := range []uint32{0, 999, 65534, 1234567} {
		t.Run(strconv.Itoa(int(uid)), func(t *testing.T) {
			if uid != 0 && os.Getuid() != 0 {
				uid = uint32(os.Getuid())
			}
			p := newProject(t, c, 18)
			root, err := os.MkdirTemp("", "root")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(root) })
			os.Chmod(root, 0o755)
			data, _ := os.ReadFile(binary)
			for name, content := range map[string][]byte{"odpm-checker": data, "odoo": data, "checker.json": readFile(t, filepath.Join(p.runtime, "checker.json"))} {
				if err := os.WriteFile(filepath.Join(root, name), content, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			os.Mkdir(filepath.Join(root, "database"), 0o777)
			os.Chmod(filepath.Join(root, "database"), 0o777)
			cmd := exec.Command("/odpm-checker", "--runtime-dir", "/", "--database-dir", "/database", "--require-baseline", "--", "/odoo", "--no-such-flag")
			cmd.Path = "/odpm-checker"
			cmd.Env = with(connection(c), "ODPM_HANDOFF_ID="+p.id)
			cmd.Dir = "/"
			cmd.SysProcAttr = inRoot(root, uid)
			out, err := cmd.CombinedOutput()
			// What it becomes is a checker again, whose usage error shows that
			// it was started.
			if code := exitCode(t, err); code != 64 || !strings.Contains(string(out), "baseline=recorded") || !strings.Contains(string(out), "flag provided but not defined") {
				t.Errorf("exit code %d\n%s", code, out)
			}
			info, err := os.Stat(filepath.Join(root, "database", "last_run.json"))
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Sys().(*syscall.Stat_t).Uid; got != uid {
				t.Errorf("last_run.json belongs to %d", got)
			}
		})
	}
}

// TestUIDWithoutName: $USER, which the official image takes the role from, is
// not the operating-system user's name; libpq would find none.
func TestUIDWithoutName(t *testing.T) {
	const uid = 54321
	c := server(t)
	cmd, out, errs := invocation{env: []string{"PGHOST=127.0.0.1", "PGPORT=" + strconv.Itoa(c.Port), "PGPASSWORD=" + appPassword, "USER=" + appRole}}.prepare(t, t.Context())
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: uid}
	} else {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Getuid(), Size: 1}}
	}
	err := cmd.Run()
	result{exitCode(t, err), out.String(), errs.String(), 0}.want(t, 78, "uid 54321 has no name; set db_user")
}

func inRoot(root string, uid uint32) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Chroot: root}
	if os.Getuid() == 0 {
		a.Credential = &syscall.Credential{Uid: uid, Gid: uid}
		return a
	}
	a.Cloneflags = syscall.CLONE_NEWUSER
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
	return a
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestStatic: nothing of the image's libraries is needed.
func TestStatic(t *testing.T) {
	out, _ := exec.Command("ldd", binary).CombinedOutput()
	if !strings.Contains(string(out), "not a dynamic executable") {
		t.Errorf("%s", out)
	}
}
