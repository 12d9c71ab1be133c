package native_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/odpm/odpm/host/engine/native"
	"github.com/odpm/odpm/test/localpg"
)

// A session of postgres --single writes a postmaster.pid too, with the port
// that a server would have.
func TestSingleUserSessionIsAHolder(t *testing.T) {
	ctx := deadline(t)
	e, o := stopped(ctx, t)
	bin, err := localpg.Bin("15")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(bin, "postgres"), "--single", "-D", o.DataDir, "-c", "port="+strconv.Itoa(o.Port), "postgres")
	info, err := os.Stat(o.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Dir = "/"
	if os.Geteuid() == 0 {
		st := info.Sys().(*syscall.Stat_t)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: st.Uid, Gid: st.Gid}}
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() { in.Close(); <-ended })
	for end := time.Now().Add(30 * time.Second); len(native.ServersOn(o.DataDir)) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the session does not begin")
		}
	}
	if s, err := e.Status(ctx); err != nil || s.Running || s.Ready {
		t.Errorf("it is taken for a server: %+v %v", s, err)
	}
	stop := "kill -TERM " + strconv.Itoa(cmd.Process.Pid)
	if h, err := e.Holders(ctx); err != nil || len(h) != 1 || h[0].Own || h[0].StopCommand != stop {
		t.Errorf("holders: %+v %v", h, err)
	}
	if err := e.Start(ctx); err == nil || !strings.Contains(err.Error(), stop) {
		t.Errorf("a start beside it: %v", err)
	}
	// The command that is printed ends it, and the server starts.
	if out, err := exec.Command("sh", "-c", stop).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	<-ended
	if err := e.Start(ctx); err != nil {
		t.Error(err)
	}
}

// kill -9 leaves postmaster.pid, and its number may be anybody's by now.
func TestLeftOverPidFile(t *testing.T) {
	ctx := deadline(t)
	e, o := newEngine(t)
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	pidFile := filepath.Join(o.DataDir, "postmaster.pid")
	written, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(strings.SplitN(string(written), "\n", 2)[0])
	// Its backends, and whoever reaps it, take a moment to notice.
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(ctx); err != nil {
		t.Fatalf("right after kill -9: %v", err)
	}
	if err := e.Stop(ctx); err != nil {
		t.Fatal(err)
	}

	e2, other := another(t, o)
	if err := e2.Start(ctx); err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(written), "\n")
	stale := strconv.Itoa(native.ServersOn(other.DataDir)[0]) + "\n" + rest
	info, err := os.Stat(o.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pidFile, []byte(stale), 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		st := info.Sys().(*syscall.Stat_t)
		if err := os.Chown(pidFile, int(st.Uid), int(st.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := e.Status(ctx); err != nil || s.Running {
		t.Errorf("the other cluster's server is taken for this one's: %+v %v", s, err)
	}
	if h, err := e.Holders(ctx); err != nil || len(h) != 0 {
		t.Errorf("holders: %+v %v", h, err)
	}
	err = e.Start(ctx)
	if err == nil || !strings.Contains(err.Error(), "left over") {
		t.Fatalf("start: %v", err)
	}
	_, command, _ := strings.Cut(err.Error(), "To continue:\n")
	if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v %s", command, err, out)
	}
	if err := e.Start(ctx); err != nil {
		t.Error(err)
	}
}

// A power cut takes the content of a postmaster.pid that nobody has synced.
// PostgreSQL says of an empty one that another server may be starting, for ever.
func TestEmptyPidFile(t *testing.T) {
	ctx := deadline(t)
	e, o := newEngine(t)
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	pidFile := filepath.Join(o.DataDir, "postmaster.pid")
	for name, content := range map[string]string{"empty": "", "zeros": strings.Repeat("\x00", 94)} {
		if err := e.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(pidFile, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := e.Status(ctx); err != nil || s.Running || !s.Exists {
			t.Errorf("%s: %+v %v", name, s, err)
		}
		if h, err := e.Holders(ctx); err != nil || len(h) != 0 {
			t.Errorf("%s: holders: %+v %v", name, h, err)
		}
		if err := e.Start(ctx); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	// A server that is at work keeps its own.
	if err := os.Truncate(pidFile, 0); err != nil {
		t.Fatal(err)
	}
	pids := native.ServersOn(o.DataDir)
	if err := e.Start(ctx); err == nil || !strings.Contains(err.Error(), "are still working on") {
		t.Errorf("beside a server whose file was emptied: %v", err)
	}
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGINT)
	}
}
