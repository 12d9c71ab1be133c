package process_test

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/odpm/odpm/host/process"
)

// asNobody makes the test binary ask as a user who may not signal process 1.
const asNobody = "ODPM_TEST_LIVES"

func TestMain(m *testing.M) {
	if pid := os.Getenv(asNobody); pid != "" {
		n, err := strconv.Atoi(pid)
		if err != nil || !process.Lives(n) {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestLives(t *testing.T) {
	if !process.Lives(os.Getpid()) {
		t.Error("this very process does not live")
	}
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{ended.Process.Pid, 0, -1} {
		if process.Lives(pid) {
			t.Errorf("%d lives", pid)
		}
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	// Where nobody can run it: t.TempDir is its maker's alone.
	f, err := os.CreateTemp("/tmp", "odpm-lives-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(self); err != nil {
		t.Fatal(err)
	}
	if err := f.Chmod(0o755); err != nil {
		t.Fatal(err)
	}
	f.Close()
	for pid, want := range map[int]bool{1: true, ended.Process.Pid: false} {
		cmd := exec.Command(f.Name())
		cmd.Env = []string{asNobody + "=" + strconv.Itoa(pid)}
		if os.Geteuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		out, err := cmd.CombinedOutput()
		if (err == nil) != want {
			t.Errorf("process %d, asked by another user: %v %s", pid, err, strings.TrimSpace(string(out)))
		}
	}
}
