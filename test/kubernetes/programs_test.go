//go:build kubernetes

package kubernetes_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/odpm/odpm/test/localpg"
)

// patience is for each thing that is waited for: long, since a busy machine is
// no failure.
const patience = 5 * time.Minute

// program finds what make setup built.
func program(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(localpg.Cache(), "kubernetes", name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v; run: make test-kubernetes-api, or make test-kubernetes, which build it", err)
	}
	return path
}

// daemon is a program in the background, with a log of its own.
type daemon struct {
	name, log string
	process   *os.Process
	ended     chan struct{}
}

// start runs a program until the end of the test. It does not outlive the test
// binary, whatever ends that.
func start(t *testing.T, dir, path string, args ...string) *daemon {
	t.Helper()
	d := &daemon{name: filepath.Base(path), ended: make(chan struct{})}
	d.log = filepath.Join(dir, d.name+".log")
	out, err := os.Create(d.log)
	must(t, err)
	defer out.Close()
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	must(t, cmd.Start())
	d.process = cmd.Process
	go func() { cmd.Wait(); close(d.ended) }()
	t.Cleanup(d.stop)
	return d
}

// stop ends it in its own time, and then for certain.
func (d *daemon) stop() {
	d.process.Signal(syscall.SIGTERM)
	select {
	case <-d.ended:
	case <-time.After(20 * time.Second):
		d.process.Kill()
		<-d.ended
	}
}

// interrupts are what somebody says who does not want to wait: the test fails
// then, and cleans up.
var interrupts = make(chan os.Signal, 1)

// until waits for a condition, which says what it has seen so far. A daemon
// that ended meanwhile fails the test with its last words.
func until(t *testing.T, what string, is func() (bool, string), needs ...*daemon) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		ok, seen := is()
		if ok {
			return
		}
		for _, d := range needs {
			select {
			case <-d.ended:
				t.Fatalf("%s ended:\n%s", d.name, d.tail())
			case s := <-interrupts:
				t.Fatal(s)
			default:
			}
		}
		if time.Now().After(end) {
			for _, d := range needs {
				t.Logf("%s:\n%s", d.name, d.tail())
			}
			t.Fatalf("not within %s: %s; last seen: %s", patience, what, seen)
		}
	}
}

func (d *daemon) tail() string {
	data, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

// loopback is a free address for one who listens.
func loopback(t *testing.T) (addr, port string) {
	t.Helper()
	n, err := localpg.FreePort()
	must(t, err)
	return "127.0.0.1:" + strconv.Itoa(n), strconv.Itoa(n)
}
